"""Closing a step: the files are added up outside any transaction, then everything that follows is one transaction.

A worker that dies in between leaves a lease that lapses; the next one adds up again and comes to the same bytes. A
worker that was only slow finds its lease gone and changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from artefacts import store
from audit.actors import Actor
from federation.aggregation.aggregate import Aggregation, Contribution, NothingAcceptedError, Rejected, aggregate
from federation.aggregation.combine import COMBINERS
from federation.aggregation.metric_pooling import combine
from federation.errors import FederationError
from federation.protocol.documents import OrderKind
from federation.protocol.tensors import TensorSpec
from federation.strategies import parse_strategy
from federation.strategies.weighting import weight_of
from registry.actions import add_version, judge
from training.engine import restored, rounds
from training.engine.sql import closing as reading
from training.engine.sql import rounds as statements
from training.engine.sql.closing import Answer
from training.models import Order, Round
from training.states import tell
from training.transitions import OrderState

log = logging.getLogger(__name__)


def close_step(*, round_id: UUID, by: Actor) -> None:
    """Close a round's step if it is due and nobody else does it."""
    claim = rounds.claim(round_id=round_id, by=by)
    if claim is None:
        return
    claimed, step = claim.round, claim.step
    answers = reading.answers(step.step_id)
    if len(answers) < step.quorum:
        unmet = restored.why_unmet(job=claimed.job, step_id=step.step_id, quorum=step.quorum)
        if unmet is not None:
            _abandon(claimed, by, restored.RESTORED, unmet.reason, ends_job=unmet.ends_job)
            return
        if len(answers) + reading.rejected(step.step_id) >= step.quorum:
            _abandon(claimed, by, rounds.TOO_FEW_ACCEPTED, _too_few(len(answers), step.quorum))
            return
        _abandon(
            claimed, by, "round.quorum_not_met", f"{len(answers)} of at least {step.quorum} silos answered in time."
        )
    elif step.kind == OrderKind.EVALUATE:
        _close_evaluation(claimed, by)
    else:
        _close_training(claimed, answers, step.quorum, by)


def _close_training(claimed: Round, answers: Sequence[Answer], quorum: int, by: Actor) -> None:
    folder = store.new_folder()
    try:
        try:
            result = _aggregate(claimed, answers, folder)
        except NothingAcceptedError as error:
            _abandon(claimed, by, rounds.TOO_FEW_ACCEPTED, "No silo's update could be accepted.", error.rejected)
            return
        except FederationError as error:
            log.error("round %s can't be aggregated: %s", claimed.id, error)
            _abandon(claimed, by, error.code, error.message)
            return
        if len(result.accepted) < quorum:
            _abandon(claimed, by, rounds.TOO_FEW_ACCEPTED, _too_few(len(result.accepted), quorum), result.rejected)
            return
        store.adopt(result.model_path, result.model_digest)
        if result.state_path is not None and result.state_digest is not None:
            store.adopt(result.state_path, result.state_digest)
    finally:
        store.remove_folder(folder)
    with transaction.atomic():
        if not reading.hold(claimed):
            return
        statements.settle(result.accepted)
        _reject(claimed, result.rejected, by)
        version = add_version(
            model=claimed.base_version.model,
            round_number=claimed.number,
            digest=result.model_digest,
            size_bytes=result.model_size_bytes,
            optimiser_digest=result.state_digest or "",
            by=by,
        )
        judge(version=claimed.base_version, metrics=combined_metrics(claimed), by=by)
        rounds.close(round_=claimed, by=by, update_norm_l2=result.norm_l2, version=version)


def _too_few(accepted: int, quorum: int) -> str:
    return f"{accepted} updates could be accepted, at least {quorum} are needed."


def _aggregate(claimed: Round, answers: Sequence[Answer], folder: Path) -> Aggregation:
    job, version = claimed.job, claimed.base_version
    layout = tuple(
        TensorSpec(name=spec["name"], shape=tuple(spec["shape"]), dtype=spec["dtype"]) for spec in version.model.layout
    )
    strategy = parse_strategy(job.request["strategy"])
    return aggregate(
        strategy,
        COMBINERS[strategy.combiner],
        store.path_of(version.digest),
        [
            Contribution(
                str(answer.order_id),
                store.path_of(answer.payload_digest),
                float(weight_of(strategy.weighting, answer.rows, answer.limits)),
            )
            for answer in answers
        ],
        layout,
        float(job.request["limits"]["update_norm_l2_max"]),
        store.path_of(version.optimiser_digest) if version.optimiser_digest else None,
        folder,
    )


def _close_evaluation(claimed: Round, by: Actor) -> None:
    with transaction.atomic():
        if not reading.hold(claimed):
            return
        Order.objects.filter(step__round=claimed, state=OrderState.SUBMITTED).update(
            state=OrderState.APPLIED, settled_at=timezone.now()
        )
        if claimed.job.evaluated_version_id is None:
            judge(version=claimed.base_version, metrics=combined_metrics(claimed), by=by)
        rounds.close(round_=claimed, by=by)


def _reject(round_: Round, rejected: Iterable[Rejected], by: Actor) -> None:
    for update in rejected:
        Order.objects.filter(id=update.key).update(
            state=OrderState.REJECTED, code=update.code, message=update.message, settled_at=timezone.now()
        )
        tell(
            job=round_.job,
            verb="update.rejected",
            by=by,
            detail={"round": round_.number, "order": update.key, "code": update.code, "reason": update.message},
        )


def _abandon(
    claimed: Round,
    by: Actor,
    code: str,
    reason: str,
    rejected: Sequence[Rejected] = (),
    *,
    ends_job: bool = False,
) -> None:
    with transaction.atomic():
        if not reading.hold(claimed):
            return
        _reject(claimed, rejected, by)
        rounds.abandon(round_=claimed, by=by, code=code, reason=reason, ends_job=ends_job)


def combined_metrics(round_: Round) -> dict[str, object]:
    """How a round's global model did over the silos."""
    return combine(
        round_.base_version.model.target_kind, reading.measured(round_.id), round_.job.organisation_share_max
    )
