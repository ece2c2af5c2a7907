"""Followers of a job miss no event, whatever order transactions commit in, and wait for nobody who writes none."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection as django_connection
from django.utils import timezone

from audit.actors import System
from audit.following import SettledEvents, delete_unfollowed
from audit.models import Event, Follower
from audit.statements import appending, event_of
from realtime import database, notices
from tests.support.cohort import Cohort, make_cohort, run_job
from tests.support.patience import FAILS_AFTER_S
from training.engine import control
from training.models import Job
from training.reading.event_stream import _next_events, events_so_far, is_over

pytestmark = pytest.mark.django_db(transaction=True)
Open = Callable[[], "psycopg.Connection"]
_APPEND = appending("(VALUES (true)) AS once").encode()
BATCH = 100


@pytest.fixture
def cohort(transactional_db: None, blob_root: Path) -> Cohort:
    return make_cohort()


@pytest.fixture
def job(cohort: Cohort) -> Job:
    return run_job(cohort, rounds_answered=0)


@pytest.fixture
def begin(transactional_db: None) -> Iterator[Open]:
    """Opens a connection of its own, in a transaction from its first statement on."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(psycopg.connect(**database.libpq_parameters()))


def write(connection: psycopg.Connection, job: Job, verb: str) -> None:
    event = event_of(by=System("test"), verb=verb, subject_kind="job", subject_id=job.id, job_id=job.id)
    connection.execute(_APPEND, event)


def answer(job: Job, after: int = 0) -> list[tuple[int, str]]:
    """The ids and verbs that a follower gets."""
    lines = events_so_far(job, {"Last-Event-ID": str(after)}, "").decode().splitlines()
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith('data: {"id"')]
    return [(one["id"], one["verb"]) for one in data]


def test_an_event_that_commits_after_a_later_one_is_reported(job: Job, begin: Open) -> None:
    early, late = begin(), begin()
    write(early, job, "test.early")
    write(late, job, "test.late")
    late.commit()
    first = answer(job)
    early.commit()
    second = answer(job, after=first[-1][0] if first else 0)
    everything = list(Event.objects.filter(job_id=job.id).order_by("id").values_list("id", "verb"))
    assert [verb for _, verb in everything[-2:]] == ["test.early", "test.late"]
    assert first + second == everything


def test_what_is_held_back_comes_once_those_who_wrote_before_are_gone(job: Job, begin: Open) -> None:
    following = SettledEvents(job.id, answer(job)[-1][0])
    early, late, later = begin(), begin(), begin()
    write(early, job, "test.early")
    write(late, job, "test.late")
    late.commit()
    assert following.next(BATCH) == []
    assert following.is_waiting
    write(later, job, "test.later")  # one that begins after it has a higher id, and is not waited for
    early.rollback()
    assert [event.verb for event in following.next(BATCH)] == ["test.late"]
    assert not following.is_waiting
    later.commit()
    assert [event.verb for event in following.next(BATCH)] == ["test.later"]


def test_an_old_transaction_that_writes_no_event_holds_nothing_up(job: Job, begin: Open) -> None:
    old, writer = begin(), begin()
    old.execute("UPDATE training_job SET name = name WHERE id = %s", [job.id])
    assert old.execute("SELECT pg_current_xact_id_if_assigned()").fetchone() != (None,)
    write(writer, job, "test.event")
    writer.commit()
    assert answer(job)[-1][1] == "test.event"


def test_an_old_transaction_elsewhere_that_writes_an_event_late_is_still_delivered(job: Job, begin: Open) -> None:
    """It is older than what is reported before it: ids are followed, not transactions."""
    old, writer = begin(), begin()
    old.execute("UPDATE training_job SET name = name WHERE id = %s", [job.id])
    write(writer, job, "test.first")
    writer.commit()
    last = answer(job)[-1]
    write(old, job, "test.second")
    old.commit()
    assert [verb for _, verb in answer(job, after=last[0])] == ["test.second"]


def test_many_held_back_events_come_batch_by_batch(job: Job, begin: Open) -> None:
    following = SettledEvents(job.id, answer(job)[-1][0])
    writer = begin()
    for number in range(5):
        write(writer, job, f"test.event_{number}")
    writer.commit()
    batches = []
    while batch := following.next(2):
        batches.append([event.verb for event in batch])
    assert batches == [["test.event_0", "test.event_1"], ["test.event_2", "test.event_3"], ["test.event_4"]]


def test_a_notice_is_sent_only_of_a_job_that_is_followed(cohort: Cohort, job: Job, begin: Open) -> None:
    other = run_job(cohort, rounds_answered=0)
    SettledEvents(job.id, 0).follow()
    listener, writer = begin(), begin()
    listener.autocommit = True
    listener.execute(f"LISTEN {notices.JOBS}")
    for one_report in (other, job):  # a notice of the first would come first
        write(writer, one_report, "test.event")
        write(writer, one_report, "test.event")
        writer.commit()
    (notice,) = listener.notifies(timeout=FAILS_AFTER_S, stop_after=1)
    assert notice.payload == str(job.id)
    Follower.objects.update(until=timezone.now())
    write(writer, job, "test.event")
    SettledEvents(other.id, 0).follow()
    write(writer, other, "test.event")
    writer.commit()
    (notice,) = listener.notifies(timeout=FAILS_AFTER_S, stop_after=1)
    assert notice.payload == str(other.id)


def test_who_wrote_before_it_was_followed_is_waited_for(job: Job, begin: Open) -> None:
    """Its event sends no notice, since there was nobody to send it to."""
    following, writer = SettledEvents(job.id, answer(job)[-1][0]), begin()
    write(writer, job, "test.event")
    following.follow()
    assert following.next(BATCH) == []
    assert following.is_waiting, "no notice will come"
    writer.commit()
    assert [event.verb for event in following.next(BATCH)] == ["test.event"]
    assert not following.is_waiting


def test_marks_of_who_is_gone_are_deleted(job: Job) -> None:
    SettledEvents(job.id, 0).follow()
    delete_unfollowed()
    assert Follower.objects.count() == 1
    Follower.objects.update(until=timezone.now() - timedelta(hours=2))
    delete_unfollowed()
    assert Follower.objects.count() == 0


def test_the_server_ends_a_transaction_in_which_nothing_happens() -> None:
    with django_connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("15min",)


def test_a_stream_does_not_end_before_the_job_s_last_event(job: Job, begin: Open) -> None:
    """What was written before the job's end is held back, and looked at once more after it."""
    following = SettledEvents(job.id, 0)
    events, _ended = _next_events(following)
    while events or following.is_waiting:
        events, _ended = _next_events(following)
    other, mine = begin(), begin()
    write(other, job, "test.other")
    write(mine, job, "test.mine")
    mine.commit()
    assert _next_events(following) == ([], False), "held back by the other"
    control.cancel(job=job, by=System("test"))
    other.commit()
    reported = b""
    while not is_over(*(look := _next_events(following)), following):
        reported += b"".join(look[0])
    assert b"job.cancelled" in reported
