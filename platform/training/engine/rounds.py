"""How a job moves from round to round: open, go on to the next step, close, give up. Each is part of a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from audit.actors import Actor
from audit.reasons import Reason
from federation.protocol.digests import digest_bytes
from realtime import notices
from registry.models import ModelVersion
from training.engine import steps
from training.engine.agreement_gate import blocking_reason
from training.engine.kinds.base import Claim
from training.engine.sql import closing, opening
from training.engine.sql.opening import IssuedOrder
from training.models import Job, Order, Round, Step
from training.protocols import steps_of
from training.states import move, record_job_event
from training.transitions import OUTSTANDING, JobState, OrderState, RoundState, StepState

TOO_FEW_ACCEPTED = "round.too_few_accepted"


def open_next(
    *, job: Job, by: Actor, attempt: int = 1, after: str = "", version: ModelVersion | None = None
) -> Round | None:
    """Open the round that comes next, if the (locked) job is running and none is open.

    It starts from `version`, else from the job's newest one. After the last training round the newest model is
    evaluated once more; after that the job is complete. `after` is the code for which the last attempt was abandoned.
    """
    if job.state != JobState.RUNNING:
        return None
    status = opening.progress_of(job)
    if status.rounds_open:
        return None
    if (stop := blocking_reason(status, job.quorum)) is not None:
        move(job=job, to=stop.to, by=by, why=stop.why)
        return None
    number = status.rounds_closed + 1
    plans = steps_of(job, number)
    version = version or _newest_version(job)
    if not plans:
        move(job=job, to=JobState.COMPLETED, by=by, evidence={"model": _digest_of(version)})
        return None
    round_ = Round(job=job, number=number, attempt=attempt, base_version=version, opened_at=status.now)
    opening.open_round(round_)
    orders = steps.open_step(
        round_=round_,
        position=1,
        plan=plans[0],
        silo_ids=status.silo_ids,
        now=status.now,
        # the quorum held updates that did not count: this time everybody who is heard of is waited for
        waits_for=status.silo_ids if after == TOO_FEW_ACCEPTED else (),
    )
    record_job_event(
        job=job,
        verb="round.opened",
        by=by,
        detail={"round": number, "attempt": attempt, "silos": len(orders)},
        evidence={"kind": plans[0].kind, "model": _digest_of(version), "orders": _digests(orders)},
    )
    return round_


def advance(
    *,
    claim: Claim,
    by: Actor,
    update_norm_l2: float | None = None,
    version: ModelVersion | None = None,
    made: Mapping[str, object] | None = None,
) -> None:
    """A (locked) step is done: the next one of its round opens in the same transaction, else the next round.

    `made` has the digests of what else than a version was made, for the event of the round's end.
    """
    round_, position = claim.round, claim.step.position
    job = round_.job
    _resume_if_it_waited(job, by)
    later = steps_of(job, round_.number)[position:]
    if not later:
        _close(claim, by, update_norm_l2, version, made or {})
        return
    closing.end_step(claim.step.step_id)
    status = opening.progress_of(job)
    if (stop := blocking_reason(status, job.quorum)) is not None:
        abandon(round_=round_, by=by, why=stop.why)
        return
    may_work = set(status.silo_ids)
    orders = steps.open_step(
        round_=round_,
        position=position + 1,
        plan=later[0],
        silo_ids=[silo_id for silo_id in opening.silos_that_counted(round_.id, position) if silo_id in may_work],
        now=status.now,
    )
    record_job_event(
        job=job,
        verb="step.opened",
        by=by,
        detail={"round": round_.number, "attempt": round_.attempt, "step": position + 1, "silos": len(orders)},
        evidence={"kind": later[0].kind, "orders": _digests(orders)},
    )


def _resume_if_it_waited(job: Job, by: Actor) -> None:
    """A (locked) job that paused for a lack of answers goes on once its step is over."""
    if job.state == JobState.PAUSED and job.reason_code == steps.BELOW_QUORUM:
        move(job=job, to=JobState.RUNNING, by=by)


def _close(
    claim: Claim,
    by: Actor,
    update_norm_l2: float | None,
    version: ModelVersion | None,
    made: Mapping[str, object],
) -> None:
    round_ = claim.round
    closing.end_round(round_.id, step_id=claim.step.step_id, update_norm_l2=update_norm_l2)
    ends_with = round_.base_version if version is None else version
    record_job_event(
        job=round_.job,
        verb="round.closed",
        by=by,
        detail={"round": round_.number, "attempt": round_.attempt, "close_reason": claim.step.close_reason},
        evidence={
            "base": _digest_of(round_.base_version),
            "model": _digest_of(ends_with),
            "counted": closing.counted(round_.id),
            **made,
        },
    )
    open_next(job=round_.job, by=by, version=version)


def _digests(orders: list[IssuedOrder]) -> dict[str, str]:
    return {str(order.order_id): digest_bytes(order.envelope) for order in orders}


def abandon(*, round_: Round, by: Actor, why: Reason, ends_job: bool = False) -> None:
    """Give a (locked) round up, and try it again; after too many times pause the job with the reason.

    With `ends_job` it is not tried again: the job has failed, with this reason.
    """
    _abandon(round_, why.code)
    job = round_.job
    record_job_event(
        job=job,
        verb="round.abandoned",
        by=by,
        detail={"round": round_.number, "attempt": round_.attempt, **why.detail},
    )
    _resume_if_it_waited(job, by)
    if job.state != JobState.RUNNING:
        return
    if ends_job:
        move(job=job, to=JobState.FAILED, by=by, why=why)
    elif round_.attempt > job.retries_max:
        move(job=job, to=JobState.PAUSED, by=by, why=why)
    else:
        open_next(job=job, by=by, attempt=round_.attempt + 1, after=why.code)


def abandon_open_round(*, job: Job, by: Actor, code: str) -> None:
    """End whatever round of a (locked) job is open; its orders are called back."""
    round_ = job.rounds.select_for_update().filter(state=RoundState.OPEN).order_by("pk").first()
    if round_ is not None:
        _abandon(round_, code)
        by_name: dict[str, object] = {"round": round_.number, "attempt": round_.attempt, "code": code}
        record_job_event(job=job, verb="round.abandoned", by=by, detail=by_name)


def reopen(*, job_id: UUID, by: Actor) -> Round | None:
    """Open the next round of a running job that has none open.

    None also where somebody else has the job in hand: the sweep nudges it again if it still has no round then.
    """
    with transaction.atomic():
        job = Job.objects.select_for_update(skip_locked=True).filter(id=job_id).first()
        if job is None:
            return None
        last = job.rounds.order_by("-opened_at").first()
        if last is None or last.state != RoundState.ABANDONED:
            return open_next(job=job, by=by)
        return open_next(job=job, by=by, attempt=last.attempt + 1, after=last.reason_code)


def _abandon(round_: Round, code: str) -> None:
    now = timezone.now()
    Round.objects.filter(id=round_.id).move(RoundState.ABANDONED, reason_code=code, closed_at=now)
    Step.objects.filter(round=round_).move(StepState.ABANDONED, closed_at=now, lease=None, lease_until=None)
    orders = Order.objects.filter(step__round=round_)
    silos = list(orders.filter(state__in=OUTSTANDING).values_list("silo_id", flat=True))
    orders.move(OrderState.CANCELLED, code=code, ended_at=now)
    notices.notify(notices.ORDERS, silos)


def _newest_version(job: Job) -> ModelVersion | None:
    """The model that the next round starts from; None in a job that is about no model."""
    if job.evaluated_version is not None or job.model is None:
        return job.evaluated_version
    return job.model.versions.latest("round_number")


def _digest_of(version: ModelVersion | None) -> str | None:
    return None if version is None else version.digest
