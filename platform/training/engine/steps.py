"""A step of a round: opened, taken for closing, held while it is closed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from audit.actors import Actor
from audit.reasons import Reason
from realtime import notices
from training.engine import issuing
from training.engine.deadlines import StepDeadlines
from training.engine.kinds.base import Claim, LeaseLostError
from training.engine.sql import closing, opening, waiting
from training.engine.sql import steps as statements
from training.engine.sql.opening import IssuedOrder
from training.models import Job, Round, Step
from training.protocols.base import StepPlan
from training.states import move
from training.transitions import JobState
from training.waiting import Wait, mode

CLAIMS_MAX = 5
"""So many workers may die over a step, or hold it for longer than a lease without a sign of life."""
CLAIMS_RENEWED_MAX = 20
"""So many may, besides, that were at work until then."""
RENEWALS_A_LEASE = 3
"""A lease is renewed when this part of it is over: one renewal may come late, and the lease still stands."""
BELOW_QUORUM = "step.below_quorum"


def open_step(
    *,
    round_: Round,
    position: int,
    plan: StepPlan,
    silo_ids: Sequence[UUID],
    now: datetime,
    waits_for: Collection[UUID] = (),
) -> list[IssuedOrder]:
    """Open a step of a round whose job the caller has locked, with a signed order for each of these silos.

    `waits_for` are silos that are waited for until the deadline, whatever the job's way of waiting.
    """
    job = round_.job
    quorum = job.quorum if plan.quorum is None else plan.quorum
    deadline_s = job.round_deadline_s if plan.deadline_s is None else plan.deadline_s
    deadlines = StepDeadlines(now, now + timedelta(seconds=deadline_s), plan.below_quorum)
    wait = Wait.ALL if plan.waits_for_all else mode(job.wait, quorum=quorum, silos=len(silo_ids))
    patience = waiting.patience(round_, position, wait)
    if waits_for and patience.wait != Wait.ALL:
        patience = replace(patience, awaited=frozenset(waits_for))
    orders = issuing.issue(round_=round_, kind=plan.kind, deadlines=deadlines, silo_ids=silo_ids)
    opening.open_step(
        round_=round_,
        position=position,
        plan=plan,
        quorum=quorum,
        deadlines=deadlines,
        patience=patience,
        orders=orders,
    )
    notices.notify(notices.ORDERS, list(silo_ids))
    return orders


def claim(*, step_id: int) -> Claim | None:
    """Take a step for closing: exactly one caller gets it. None when there is nothing to do, or somebody else does it.

    It is due when all silos have answered, at the deadline, or before it as the job's `wait` says (`training.waiting`).
    A claim whose lease has lapsed can be taken over, though not for ever (`is_hopeless`).
    """
    lease = uuid4()
    step = statements.claim(step_id=step_id, lease=lease, lease_s=settings.STEP_LEASE_S)
    if step is None:
        return None
    return Claim(closing.round_with_job(step.round_id), step, lease, _renewing(step_id, lease))


def is_hopeless(claim: Claim) -> bool:
    """Whether a step has cost so many workers their lives that it is abandoned."""
    return claim.step.claims > CLAIMS_MAX or claim.step.claims_renewed > CLAIMS_RENEWED_MAX


def _renewing(step_id: int, lease: UUID) -> Callable[[], None]:
    lease_s = settings.STEP_LEASE_S
    renewed_at = time.monotonic()

    def renew() -> None:
        nonlocal renewed_at
        now = time.monotonic()
        if now - renewed_at < lease_s / RENEWALS_A_LEASE:
            return
        if not statements.renew(step_id=step_id, lease=lease, lease_s=lease_s):
            raise LeaseLostError
        renewed_at = now

    return renew


def pause_stalled(*, by: Actor) -> int:
    """Pause the jobs whose steps lack answers at their deadline, where their protocol gives no such round up.

    They go on by themselves when enough silos have answered (`rounds.advance`). How many there were.
    """
    return sum(_pause(step_id, by) for step_id in waiting.stalled_steps())


def _pause(step_id: int, by: Actor) -> bool:
    step = Step.objects.select_related("round").get(id=step_id)
    with transaction.atomic():
        # anyone who has the job in hand may be closing this very step; the sweep comes again
        job = Job.objects.select_for_update(skip_locked=True).filter(id=step.round.job_id).first()
        if job is None or job.state != JobState.RUNNING or step_id not in waiting.stalled_steps():
            return False
        why = Reason(BELOW_QUORUM, {"needed": step.quorum, "round": step.round.number})
        move(job=job, to=JobState.PAUSED, by=by, why=why)
    return True
