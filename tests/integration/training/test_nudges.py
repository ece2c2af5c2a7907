"""Messages to the workers are few and end by themselves; a worker at work holds up nobody else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections, transaction
from kombu.exceptions import OperationalError
from redis import Redis

from audit.models import Checkpoint, Event, Head, Link
from demo.services import Services
from evidence import passports
from tests.support.federation import TEST, Federation, make_federation
from tests.support.patience import FAILS_AFTER_S
from tests.support.queues import drained
from training import dispatch
from training.engine import recall_orders, start, sweep, tasks
from training.launch.actions import launch
from training.models import Job
from training.transitions import JobState

pytestmark = pytest.mark.django_db(transaction=True)
QUEUES = ("rounds", "aggregation", "housekeeping")


@pytest.fixture
def federation(transactional_db: None, blob_root: Path) -> Federation:
    return make_federation()


@pytest.fixture(autouse=True)
def queues(services: Services) -> Iterator[None]:
    """The broker's, empty before and after."""
    cache.clear()
    drained(*QUEUES)
    yield
    cache.clear()
    drained(*QUEUES)


def queued(federation: Federation, **changes: object) -> Job:
    return launch(consortium=federation.consortium, request=federation.request(**changes), by=federation.scientist)


def test_a_row_whose_message_waits_is_not_nudged_again(federation: Federation) -> None:
    job = queued(federation)
    for _ in range(5):
        sweep.nudge(by=TEST)
    (message,) = drained(*QUEUES)
    assert (message.task, message.args) == (dispatch.START_JOB, (str(job.id),))
    assert message.expires is not None


def test_what_changes_once_a_worker_has_begun_has_a_message_of_its_own(federation: Federation) -> None:
    job = queued(federation)
    (message,) = drained(*QUEUES)
    dispatch.begun(message.task, str(job.id))
    sweep.nudge(by=TEST)
    assert [again.args for again in drained(*QUEUES)] == [(str(job.id),)]


def test_a_put_off_message_neither_stops_one_for_now_nor_is_stopped(federation: Federation) -> None:
    drained(*QUEUES)
    for in_s in (30.0, 0.0, 30.0, 0.0):
        dispatch.close_step(1, in_s=in_s)
    messages = drained("aggregation")
    assert len(messages) == 3
    assert all(message.expires for message in messages)


def test_a_duty_that_the_broker_did_not_take_is_sent_by_the_next_housekeeping() -> None:
    duty, queue = "evidence.tasks.sign_audit_heads", "housekeeping"
    with Redis.from_url(settings.REDIS_URL) as broker:
        broker.set(queue, "no list: nothing can be put on it")
        with pytest.raises(OperationalError):
            dispatch.send_duty(duty)
        broker.delete(queue)
    dispatch.send_duty(duty)
    dispatch.send_duty(duty)
    assert [message.task for message in drained(queue)] == [duty]


def test_no_transaction_is_open_while_the_first_model_is_made(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile the job can be looked at, locked and cancelled, is nudged no more, and nobody else makes its model."""
    job = queued(federation)
    drained(*QUEUES)
    making, go_on, made = Flag(), Flag(), []
    make = start._make_first_model

    def slowly(job: Job) -> Any:
        made.append(connection.in_atomic_block)
        making.set()
        assert go_on.wait(FAILS_AFTER_S)
        return make(job)

    monkeypatch.setattr(start, "_make_first_model", slowly)

    def work() -> None:
        start.start(job_id=job.id, by=TEST)
        connections.close_all()

    worker = Thread(target=work)
    worker.start()
    try:
        assert making.wait(FAILS_AFTER_S)
        cache.clear()
        assert sweep.nudge(by=TEST)["queued"] == 0
        start.start(job_id=job.id, by=TEST)  # a second worker that has got a message all the same
        with transaction.atomic():
            assert Job.objects.select_for_update(nowait=True).get(id=job.id).state == JobState.QUEUED
    finally:
        go_on.set()
        worker.join()
    assert made == [False]
    job.refresh_from_db()
    assert (job.state, job.start_claimed_until) == (JobState.RUNNING, None)
    assert Event.objects.filter(job_id=job.id, verb="job.running").count() == 1


def test_a_job_that_somebody_has_locked_is_passed_over(federation: Federation) -> None:
    job = queued(federation)
    done = Flag()

    def work() -> None:
        start.start(job_id=job.id, by=TEST)
        done.set()
        connections.close_all()

    with transaction.atomic():
        Job.objects.select_for_update().get(id=job.id)
        worker = Thread(target=work)
        worker.start()
        assert done.wait(FAILS_AFTER_S), "it waits for the lock"
    worker.join()
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


def test_a_first_model_that_was_made_for_other_data_is_made_again(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queued(federation)
    drained(*QUEUES)
    make = start._make_first_model

    def outdated(job: Job) -> start.FirstModel:
        first = make(job)
        return start.FirstModel(**{**vars(first), "preprocessing": {}})

    cache.clear()
    monkeypatch.setattr(start, "_make_first_model", outdated)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.start_claimed_until) == (JobState.QUEUED, None)
    monkeypatch.setattr(start, "_make_first_model", make)
    (message,) = drained("rounds")
    message.run()
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_a_duty_that_fails_stops_no_other(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The heads of the audit log are signed, whatever becomes of the passports before them."""

    def broken(*_: object) -> int:
        raise RuntimeError("no passports today")

    monkeypatch.setattr(passports, "issue_missing", broken)
    queued(federation)
    drained(*QUEUES)
    tasks.housekeeping()
    duties = drained("housekeeping")
    assert [duty.task for duty in duties] == list(settings.HOUSEKEEPING_DUTIES)
    assert all(duty.expires for duty in duties)
    failed = []
    for duty in duties:
        try:
            duty.run()
        except RuntimeError:
            failed.append(duty.task)
    assert failed == ["evidence.tasks.issue_passports"]
    heads = set(Head.objects.values_list("chain", "position"))
    assert heads
    assert set(Checkpoint.objects.values_list("chain", "position")) == heads


def test_a_part_of_the_sweep_that_fails_stops_no_other(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rounds go on and events are chained, whatever becomes of one order that can't be called back."""

    def broken(**_: object) -> int:
        raise RuntimeError("nobody is recalled today")

    monkeypatch.setattr(recall_orders, "call_back", broken)
    job = queued(federation)
    drained(*QUEUES)
    cache.clear()
    with pytest.raises(RuntimeError, match="recalled"):
        tasks.sweep()
    assert [message.args for message in drained("rounds")] == [(str(job.id),)]
    events = Event.objects.filter(job_id=job.id)
    assert Link.objects.filter(event_id__in=events.values("id")).count() == events.count() > 0
