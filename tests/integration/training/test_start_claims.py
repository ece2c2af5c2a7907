"""The first model of a job: made by one worker at a time however long it takes, and not tried for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.cache import cache
from django.db import connection, connections
from django.db.models.functions import Now

from demo.services import PYTHONPATH, ROOT
from federation.errors import Transient
from tests.support.federation import TEST, Federation, make_federation
from tests.support.patience import FAILS_AFTER_S, until
from training.engine import start, start_claims, sweep
from training.launch.actions import launch
from training.models import Job
from training.transitions import JobState

pytestmark = pytest.mark.django_db(transaction=True)
WORKER = """
import sys
from uuid import UUID
import django
django.setup()
from django.conf import settings
settings.DATABASES["default"]["NAME"] = sys.argv[2]
from audit.actors import System
from training.engine import start
start.start(job_id=UUID(sys.argv[1]), by=System("worker"))
"""
LARGE = {"family": "mlp", "hidden": [9_000, 9_000]}
"""A first model of 324 MB."""


@pytest.fixture
def federation(transactional_db: None, blob_root: Path) -> Federation:
    return make_federation()


@pytest.fixture(autouse=True)
def nothing_marked() -> Iterator[None]:
    """No nudge is marked as sent, before and after."""
    cache.clear()
    yield
    cache.clear()


def queued(federation: Federation, **changes: object) -> Job:
    return launch(consortium=federation.consortium, request=federation.request(**changes), by=federation.scientist)


def lapsed(job: Job) -> bool:
    """Whether nobody holds its first model any more, by the database's clock."""
    return Job.objects.filter(id=job.id, start_claimed_until__lt=Now()).exists()


def test_a_first_model_slower_than_the_lease_is_made_once(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.STEP_LEASE_S = 0.6
    job = queued(federation)
    go_on, made = Flag(), []
    make = start._make_first_model

    def slowly(job: Job) -> Any:
        made.append(job.id)
        assert go_on.wait(FAILS_AFTER_S)
        return make(job)

    monkeypatch.setattr(start, "_make_first_model", slowly)

    def work() -> None:
        start.start(job_id=job.id, by=TEST)
        connections.close_all()

    worker = Thread(target=work)
    worker.start()
    try:
        until("it is being made", lambda: bool(made))
        first = Job.objects.get(id=job.id).start_claimed_until
        assert first is not None
        until("the database's clock is past it", lambda: _clock() > first)
        cache.clear()
        assert sweep.nudge(by=TEST)["queued"] == 0, "its claim stands"
        start.start(job_id=job.id, by=TEST)  # a second worker that has got a message all the same
    finally:
        go_on.set()
        worker.join()
    assert made == [job.id]
    job.refresh_from_db()
    assert (job.state, job.start_claimed_until) == (JobState.RUNNING, None)


def _clock() -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return cursor.fetchone()[0]


def worker_of(job: Job) -> subprocess.Popen[bytes]:
    """A real process that starts the job, on the database of this test."""
    environment = os.environ | {
        "PYTHONPATH": PYTHONPATH,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "BLOB_ROOT": str(configured.BLOB_ROOT),
        "STEP_LEASE_S": "2",
    }
    name = str(connection.settings_dict["NAME"])
    return subprocess.Popen([sys.executable, "-c", WORKER, str(job.id), name], env=environment, cwd=ROOT)


def test_a_job_whose_first_model_kills_every_worker_fails(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_claims, "CLAIMS_MAX", 2)
    job = queued(federation, model=LARGE)
    for number in (1, 2):
        worker = worker_of(job)
        try:
            until(f"claim {number}", lambda: Job.objects.filter(id=job.id, start_claimed_until__gt=Now()).exists())
        finally:
            worker.kill()
            worker.wait()
        job.refresh_from_db()
        assert (job.state, job.start_claims) == (JobState.QUEUED, number)
        until("the lease has lapsed", lambda: lapsed(job))
        cache.clear()
        assert sweep.nudge(by=TEST)["queued"] == 1
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.reason_code, job.reason_params) == (JobState.FAILED, "job.not_started", {"number": 2})
    assert job.reason_text == "2 workers failed to make its first model."


def test_a_job_whose_worker_was_killed_once_starts_with_the_next(federation: Federation) -> None:
    job = queued(federation, model=LARGE)
    worker = worker_of(job)
    until("it is claimed", lambda: Job.objects.filter(id=job.id, start_claimed_until__gt=Now()).exists())
    worker.kill()
    worker.wait()
    until("the lease has lapsed", lambda: lapsed(job))
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.start_claimed_until) == (JobState.RUNNING, None)


def test_what_is_not_the_jobs_fault_does_not_count(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    job = queued(federation)
    make = start._make_first_model

    def away(job: Job) -> Any:
        raise Transient("store.away", "The store does not answer.")

    monkeypatch.setattr(start, "_make_first_model", away)
    for _ in range(start_claims.CLAIMS_MAX + 1):
        with pytest.raises(Transient):
            start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.start_claims, job.start_claimed_until) == (JobState.QUEUED, 0, None)
    monkeypatch.setattr(start, "_make_first_model", make)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_a_worker_that_comes_back_late_leaves_the_claim_of_the_next(federation: Federation) -> None:
    job = queued(federation)
    late = start_claims.claim(job)
    job.refresh_from_db()
    start_claims.claim(job)
    start_claims.give_back(late)
    job.refresh_from_db()
    assert job.start_claims == 2
    assert job.start_claimed_until is not None
