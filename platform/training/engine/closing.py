"""Closing a step: what its answers make is worked out first, then everything that follows is one transaction.

A worker that dies in between leaves a lease that lapses; the next one works it out again and comes to the same bytes.
A worker that was only slow renews its lease, or finds it gone and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from django.db import transaction
from django.utils import timezone

from artefacts import store
from audit.actors import Actor
from audit.reasons import Reason
from federation.aggregation.aggregate import Rejected
from federation.errors import FederationError
from training.engine import restored, rounds, steps
from training.engine.kinds import step_kind
from training.engine.kinds.base import Claim, Closed, LeaseLostError, TooFewAcceptedError
from training.engine.next_version import with_next_version
from training.engine.payload_checks import split_by_payloads
from training.engine.sql import closing as statements
from training.engine.sql.steps import mark_applied
from training.models import Order, Round
from training.states import record_job_event
from training.transitions import OrderState

log = logging.getLogger(__name__)


def close_step(*, step_id: int, by: Actor) -> None:
    """Close a step if it is due and nobody else does it."""
    claim = steps.claim(step_id=step_id)
    if claim is None:
        return
    if steps.is_hopeless(claim):
        _abandon(claim, by, Reason("round.not_closed", {"number": steps.CLAIMS_MAX}))
        return
    answers = statements.answers(step_id)
    if len(answers) < claim.step.quorum:
        _abandon_below_quorum(claim, len(answers), by)
        return
    rejected: list[Rejected] = []
    try:
        good, rejected = split_by_payloads(claim, answers)
        closed = None
        if len(good) >= claim.step.quorum:
            closed = with_next_version(claim, good, step_kind(claim.step.kind).close(claim, good))
    except LeaseLostError:
        log.warning("step %s is closed by somebody else by now", step_id)
        return
    except TooFewAcceptedError as error:
        _abandon(claim, by, Reason.of(error), [*rejected, *error.rejected])
        return
    except FederationError as error:
        log.error("step %s of round %s can't be closed: %s", step_id, claim.round.id, error)
        _abandon(claim, by, Reason.of(error), rejected)
        return
    if closed is None:
        _abandon(
            claim, by, Reason(rounds.TOO_FEW_ACCEPTED, {"accepted": len(good), "needed": claim.step.quorum}), rejected
        )
        return
    closed = replace(closed, rejected=[*rejected, *closed.rejected])
    with transaction.atomic():
        if not _is_still_ours(claim):
            return
        _keep(claim, closed, by)
    store.release(*closed.marks)


def _keep(claim: Claim, closed: Closed, by: Actor) -> None:
    mark_applied(closed.applied)
    _reject(claim.round, closed.rejected, by)
    version = closed.keep(by)
    rounds.advance(claim=claim, by=by, update_norm_l2=closed.update_norm_l2, version=version, made=closed.evidence)


def _abandon_below_quorum(claim: Claim, answered: int, by: Actor) -> None:
    step = claim.step
    unmet = restored.why_unmet(job=claim.round.job, step_id=step.step_id, quorum=step.quorum)
    if unmet is not None:
        _abandon(claim, by, unmet.why, ends_job=unmet.ends_job)
    elif answered + statements.rejected(step.step_id) >= step.quorum:
        _abandon(claim, by, Reason(rounds.TOO_FEW_ACCEPTED, {"accepted": answered, "needed": step.quorum}))
    else:
        _abandon(claim, by, Reason("round.quorum_not_met", {"answered": answered, "needed": step.quorum}))


def _is_still_ours(claim: Claim) -> bool:
    return statements.lock_claimed_step(round_=claim.round, step_id=claim.step.step_id, lease=claim.lease)


def _reject(round_: Round, rejected: Iterable[Rejected], by: Actor) -> None:
    for update in rejected:
        why = Reason.said(update.code, update.message)
        Order.objects.filter(id=update.key).move(
            OrderState.REJECTED, code=why.code, params=why.params, message=why.text, ended_at=timezone.now()
        )
        record_job_event(
            job=round_.job,
            verb="update.rejected",
            by=by,
            detail={"round": round_.number, "order": update.key, **why.detail},
        )


def _abandon(
    claim: Claim,
    by: Actor,
    why: Reason,
    rejected: Sequence[Rejected] = (),
    *,
    ends_job: bool = False,
) -> None:
    with transaction.atomic():
        if not _is_still_ours(claim):
            return
        _reject(claim.round, rejected, by)
        rounds.abandon(round_=claim.round, by=by, why=why, ends_job=ends_job)
