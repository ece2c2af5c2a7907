"""A nudge does not wait for who is at work on the same row: it ends, and the sweep comes again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.support.federation import TEST, Federation, make_federation
from tests.support.patience import FAILS_AFTER_S
from training.engine import answers, control, rounds, start, steps, sweep
from training.engine.sql import waiting
from training.launch.actions import launch
from training.models import Job, Order, Step
from training.transitions import JobState
from training.waiting import BelowQuorum

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("blob_root")]


@pytest.fixture
def running(blob_root: Path) -> tuple[Federation, Job]:
    federation = make_federation()
    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return federation, job


@contextmanager
def locked(table: str, key: UUID | int) -> Iterator[None]:
    """Another connection has the row, until the block ends. Anyone who waits for it fails, after a second."""
    has_it, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SELECT id FROM {table} WHERE id = %s FOR UPDATE", [key])
                has_it.set()
                assert go_on.wait(FAILS_AFTER_S)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert has_it.wait(FAILS_AFTER_S)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
        yield
    finally:
        go_on.set()
        thread.join()
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")


def test_who_opens_a_round_passes_a_job_by_that_somebody_works_on(running: tuple[Federation, Job]) -> None:
    _federation, job = running
    with transaction.atomic():
        rounds.abandon_open_round(job=Job.objects.select_for_update().get(id=job.id), by=TEST, code="test.stopped")
    with locked("training_job", job.id):
        assert rounds.reopen(job_id=job.id, by=TEST) is None
    assert sweep.nudge(by=TEST)["idle"] == 1, "the sweep comes again"
    opened = rounds.reopen(job_id=job.id, by=TEST)
    assert opened is not None
    assert (opened.number, opened.attempt) == (1, 2)


def test_who_claims_a_step_passes_it_by_while_somebody_ends_it(running: tuple[Federation, Job]) -> None:
    federation, job = running
    for order in Order.objects.filter(step__round__job=job):
        played = federation.played(order.silo_id)
        answers.answer(document=played.train(order, 1.0), by=played.silo)
    step = order.round_step
    with locked("training_step", step.id):
        assert steps.claim(step_id=step.id) is None
    assert waiting.due_steps() == [step.id], "the sweep comes again"
    claim = steps.claim(step_id=step.id)
    assert claim is not None
    assert claim.step.claims == 1


def test_who_pauses_a_job_for_want_of_answers_passes_it_by(running: tuple[Federation, Job]) -> None:
    _federation, job = running
    past = timezone.now() - timedelta(seconds=1)
    Step.objects.filter(round__job=job).update(deadline_at=past, below_quorum=BelowQuorum.PAUSE)
    with locked("training_job", job.id):
        assert steps.pause_stalled(by=TEST) == 0
    assert steps.pause_stalled(by=TEST) == 1
    job.refresh_from_db()
    assert job.state == JobState.PAUSED
    control.cancel(job=job, by=TEST)
