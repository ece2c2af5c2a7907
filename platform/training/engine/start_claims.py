"""The claim on a job's first model: one worker makes it, for as long as it gives a sign of life, and not for ever
again.

How a family draws its first weights is its own affair, and may take longer than a lease. So the claim is renewed from
beside the work, by a thread that lives as long as the worker's process does (ADR 57).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from training.engine.steps import RENEWALS_A_LEASE
from training.models import Job
from training.transitions import JobState

log = logging.getLogger(__name__)
NOT_MADE = "job.not_started"
CLAIMS_MAX = 5
"""So many workers may die over one first model."""


@dataclass(frozen=True)
class StartClaim:
    """The first model of one job, taken by one worker."""

    job_id: UUID
    number: int
    """Which claim of the job's it is. No other worker has one of this number at the same time."""


def is_hopeless(job: Job) -> bool:
    """Whether this (locked) job's first model has cost so many workers their lives that it is abandoned."""
    return job.start_claims >= CLAIMS_MAX


def claim(job: Job) -> StartClaim:
    """Take a (locked) job's first model. Nobody else makes it until the lease has lapsed.

    It counts until it is given back: a worker that died has not.
    """
    Job.objects.filter(id=job.id).update(start_claimed_until=_lease_end(), start_claims=F("start_claims") + 1)
    return StartClaim(job.id, job.start_claims + 1)


def give_back(claim: StartClaim) -> None:
    """The worker lives, and has nothing more to do with the first model."""
    _held(claim).update(start_claimed_until=None, start_claims=F("start_claims") - 1)


@contextmanager
def kept(claim: StartClaim) -> Iterator[None]:
    """Renew a claim while the block runs."""
    over = threading.Event()
    renewing = threading.Thread(target=_renew_until, args=(over, claim), name="renew-start-claim", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        over.set()
        renewing.join()


def _renew_until(over: threading.Event, claim: StartClaim) -> None:
    try:
        while not over.wait(settings.STEP_LEASE_S / RENEWALS_A_LEASE):
            try:
                if not _held(claim).update(start_claimed_until=_lease_end()):
                    log.warning("the first model of job %s is no longer this worker's to make", claim.job_id)
                    return
            except (DatabaseError, InterfaceError) as error:
                log.warning("the claim on the first model of job %s was not renewed: %s", claim.job_id, error)
                connections.close_all()  # this thread's own
    finally:
        connections.close_all()


def _held(claim: StartClaim) -> QuerySet[Job]:
    return Job.objects.filter(
        id=claim.job_id, state=JobState.QUEUED, start_claims=claim.number, start_claimed_until__isnull=False
    )


def _lease_end() -> object:
    return Now() + timedelta(seconds=settings.STEP_LEASE_S)
