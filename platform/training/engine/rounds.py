"""How a job moves from round to round: open, claim, close, give up. Every step is one transaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from audit.actors import Actor
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import OrderKind
from live import notices
from registry.models import ModelVersion
from training.engine import issuing
from training.engine.agreement_gate import what_stops
from training.engine.sql import closing, opening, waiting
from training.engine.sql import rounds as statements
from training.engine.sql.rounds import ClaimedStep
from training.models import Job, Order, Round
from training.states import move, tell
from training.transitions import IN_PROGRESS, OUTSTANDING, JobState, OrderState, RoundState
from training.waiting import Wait, mode

CLAIMS_MAX = 5
TOO_FEW_ACCEPTED = "round.too_few_accepted"


def open_next(
    *, job: Job, by: Actor, attempt: int = 1, after: str = "", version: ModelVersion | None = None
) -> Round | None:
    """Open the round that comes next, if the (locked) job is running and none is open.

    It starts from `version`, else from the job's newest one. After the last training round the newest model is
    evaluated once more; after that the job is complete. `after` is the code for which the last attempt was given up.
    """
    if job.state != JobState.RUNNING:
        return None
    standing = opening.standing(job)
    if standing.rounds_open:
        return None
    if (stop := what_stops(standing, job.quorum)) is not None:
        move(job=job, to=stop.to, by=by, code=stop.code, reason=stop.reason)
        return None
    number = standing.rounds_closed + 1
    if number > job.rounds_planned + 1:
        ends_with = version or _newest_version(job)
        move(job=job, to=JobState.COMPLETED, by=by, evidence={"model": ends_with.digest})
        return None
    now = documents.now()
    term = issuing.Term(opened_at=now, deadline_at=now + timedelta(seconds=job.round_deadline_s))
    round_ = Round(job=job, number=number, attempt=attempt, base_version=version or _newest_version(job), opened_at=now)
    kind = OrderKind.TRAIN if number <= job.rounds_planned else OrderKind.EVALUATE
    patience = waiting.patience(round_, mode(job.wait, quorum=job.quorum, silos=len(standing.silo_ids)))
    if after == TOO_FEW_ACCEPTED and patience.wait != Wait.ALL:
        # the quorum held updates that did not count: this time everybody who is heard of is waited for
        patience = replace(patience, awaited=frozenset(standing.silo_ids))
    orders = issuing.issue(round_=round_, kind=kind, term=term, silo_ids=standing.silo_ids)
    opening.open_round(
        round_,
        kind=kind,
        quorum=job.quorum,
        deadline_at=term.deadline_at,
        expires_at=term.expires_at,
        patience=patience,
        orders=orders,
    )
    tell(
        job=job,
        verb="round.opened",
        by=by,
        detail={"round": number, "attempt": attempt, "silos": len(orders)},
        evidence={
            "kind": kind.value,
            "model": round_.base_version.digest,
            "orders": {str(order.order_id): digest_bytes(order.envelope) for order in orders},
        },
    )
    notices.notify(notices.ORDERS, standing.silo_ids)
    return round_


@dataclass(frozen=True)
class Claim:
    """A round that one worker has taken for closing, and the step that is to be closed."""

    round: Round
    step: ClaimedStep


def claim(*, round_id: UUID, by: Actor) -> Claim | None:
    """Take a round for closing: exactly one caller gets it. None when there is nothing to do, or somebody else does it.

    It is due when all silos have answered, at the deadline, or before it as the job's `wait` says (`training.waiting`).
    A claim whose lease has lapsed can be taken over, though not for ever: whatever kills its workers again and again is
    given up.
    """
    step = statements.claim(round_id=round_id, lease=uuid4(), lease_s=settings.STEP_LEASE_S)
    if step is None:
        return None
    round_ = closing.claimed_round(round_id)
    if round_.claims > CLAIMS_MAX:
        with transaction.atomic():
            if closing.hold(round_):
                abandon(
                    round_=round_, by=by, code="round.not_closed", reason=f"{CLAIMS_MAX} workers failed to close it."
                )
        return None
    return Claim(round_, step)


def abandon(*, round_: Round, by: Actor, code: str, reason: str, ends_job: bool = False) -> None:
    """Give a (locked) round up, and try it again; after too many times pause the job with the reason.

    With `ends_job` it is not tried again: the job has failed, with this reason.
    """
    _abandon(round_, code)
    job = round_.job
    tell(
        job=job,
        verb="round.abandoned",
        by=by,
        detail={"round": round_.number, "attempt": round_.attempt, "code": code, "reason": reason},
    )
    if job.state != JobState.RUNNING:
        return
    if ends_job:
        move(job=job, to=JobState.FAILED, by=by, code=code, reason=reason)
    elif round_.attempt > job.retries_max:
        move(job=job, to=JobState.PAUSED, by=by, code=code, reason=reason)
    else:
        open_next(job=job, by=by, attempt=round_.attempt + 1, after=code)


def close(
    *, round_: Round, by: Actor, update_norm_l2: float | None = None, version: ModelVersion | None = None
) -> None:
    """A (locked) round is done: the next one opens in the same transaction, from the version that this one made."""
    closing.close(round_.id, update_norm_l2=update_norm_l2)
    made = round_.base_version if version is None else version
    tell(
        job=round_.job,
        verb="round.closed",
        by=by,
        detail={"round": round_.number, "attempt": round_.attempt, "close_reason": round_.close_reason},
        evidence={
            "base": round_.base_version.digest,
            "model": made.digest,
            "counted": closing.counted(round_.id),
        },
    )
    open_next(job=round_.job, by=by, version=version)


def give_up_open_round(*, job: Job, by: Actor, code: str) -> None:
    """End whatever round of a (locked) job is open; its orders are called back."""
    round_ = job.rounds.select_for_update().filter(state__in=IN_PROGRESS).order_by("pk").first()
    if round_ is not None:
        _abandon(round_, code)
        told: dict[str, object] = {"round": round_.number, "attempt": round_.attempt, "code": code}
        tell(job=job, verb="round.abandoned", by=by, detail=told)


def reopen(*, job_id: UUID, by: Actor) -> Round | None:
    """Open the next round of a running job that has none open."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(id=job_id)
        last = job.rounds.order_by("-opened_at").first()
        if last is None or last.state != RoundState.ABANDONED:
            return open_next(job=job, by=by)
        return open_next(job=job, by=by, attempt=last.attempt + 1, after=last.reason_code)


def _abandon(round_: Round, code: str) -> None:
    round_.state, round_.reason_code, round_.closed_at = RoundState.ABANDONED, code, timezone.now()
    round_.lease = round_.lease_until = None
    round_.save(update_fields=["state", "reason_code", "closed_at", "lease", "lease_until"])
    called_back = Order.objects.filter(step__round=round_).filter(
        Q(state__in=OUTSTANDING) | Q(state=OrderState.SUBMITTED)
    )
    silos = list(called_back.filter(state__in=OUTSTANDING).values_list("silo_id", flat=True))
    called_back.update(state=OrderState.CANCELLED, code=code, settled_at=timezone.now())
    notices.notify(notices.ORDERS, silos)


def _newest_version(job: Job) -> ModelVersion:
    """The model that the next round starts from."""
    if job.evaluated_version is not None:
        return job.evaluated_version
    assert job.model is not None
    return job.model.versions.latest("round_number")
