"""The next version of a model, made of a round's updates after the step that its protocol says opens them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from artefacts import store
from audit.actors import Actor
from federation.aggregation.aggregate import Aggregation, Contribution, NothingAcceptedError, Rejected, aggregate
from federation.aggregation.combine import Combiner
from federation.errors import Invalid
from federation.protocol.documents import UPDATE
from federation.protocol.documents.protection import parse_protection
from federation.sentences import Sentence
from federation.strategies import parse_strategy
from federation.strategies.weighting import weight_of
from registry.actions import add_version
from registry.models import ModelVersion
from training.engine.kinds.base import Claim, Closed, TooFewAcceptedError
from training.engine.kinds.models import layout_of
from training.engine.sql.closing import counted_answers
from training.engine.sql.steps import Applied
from training.protocols import steps_of
from training.protocols.answers import Answer
from training.protocols.base import Opening, OpensWith


def with_next_version(claim: Claim, answers: Sequence[Answer], closed: Closed) -> Closed:
    """What came out of a step, and the next version where the step opens updates. Outside any transaction.

    `answers` are those from which `closed` was worked out. An update of this very step may be found not to count: then
    its answer does not. One of an earlier step has counted already, and the round is abandoned for it.

    Raises TooFewAcceptedError, LeaseLostError, and FederationErrors for which the round is abandoned.
    """
    job, position = claim.round.job, claim.step.position
    opens_with = steps_of(job, claim.round.number)[position - 1].opens_with
    if opens_with is None:
        return closed
    kept = {one.order_id for one in closed.applied}
    here = [answer for answer in answers if answer.order_id in kept]
    earlier = counted_answers(claim.round.id, before=position) if position > 1 else []
    opening = Opening(
        parse_strategy(job.request["strategy"]), parse_protection(job.request["protection"]), [*earlier, here]
    )
    updates = opening.updates
    return _opened(claim, opening, opens_with, updates, closed) if updates else closed


def _opened(claim: Claim, opening: Opening, opens_with: OpensWith, updates: Sequence[Answer], closed: Closed) -> Closed:
    round_, folder = claim.round, store.new_folder()
    is_of_this_step = updates[0] in opening.steps[-1]
    try:
        result = _aggregate(claim, opening, opens_with(opening), updates, folder)
        _check_counted(claim, result, is_of_this_step=is_of_this_step)
        marks = [store.commit_file(result.model_path, result.model_digest)]
        if result.state_path is not None and result.state_digest is not None:
            marks.append(store.commit_file(result.state_path, result.state_digest))
    except NothingAcceptedError as error:
        if not is_of_this_step:
            raise _cannot_be_left_out(error.rejected) from error
        raise TooFewAcceptedError("No silo's update could be accepted.", error.rejected) from error
    finally:
        store.remove_folder(folder)

    def keep(by: Actor) -> ModelVersion:
        version = add_version(
            model=round_.version.model,
            round_number=round_.number,
            digest=result.model_digest,
            size_bytes=result.model_size_bytes,
            optimiser_digest=result.state_digest or "",
            by=by,
        )
        closed.keep(by)
        return version

    applied, rejected = list(closed.applied), list(closed.rejected)
    if is_of_this_step:
        brought = {answer.order_id for answer in updates}
        counted = [Applied(UUID(one.key), one.norm_l2, one.cosine_to_mean) for one in result.accepted]
        applied = [*counted, *(one for one in applied if one.order_id not in brought)]
        rejected += result.rejected
    return replace(
        closed,
        applied=applied,
        rejected=rejected,
        update_norm_l2=result.norm_l2,
        marks=[*closed.marks, *marks],
        keep=keep,
    )


def _check_counted(claim: Claim, result: Aggregation, *, is_of_this_step: bool) -> None:
    if not is_of_this_step:
        if result.rejected:
            raise _cannot_be_left_out(result.rejected)
    elif len(result.accepted) < claim.step.quorum:
        form = "%(accepted)s updates could be accepted, at least %(needed)s are needed."
        message = Sentence(form, accepted=len(result.accepted), needed=claim.step.quorum)
        raise TooFewAcceptedError(message, result.rejected)


def _cannot_be_left_out(rejected: Sequence[Rejected]) -> Invalid:
    """For which the round is abandoned: what has counted in an earlier step stays counted."""
    return Invalid(rejected[0].code, rejected[0].message)


def _aggregate(
    claim: Claim, opening: Opening, combiner: Combiner, updates: Sequence[Answer], folder: Path
) -> Aggregation:
    job, version = claim.round.job, claim.round.version
    weighting = opening.strategy.weighting
    return aggregate(
        opening.strategy,
        combiner,
        store.path_of(version.digest),
        [
            Contribution(
                str(answer.order_id),
                store.path_of(answer.payloads[UPDATE].digest),
                float(weight_of(weighting, answer.rows, answer.limits)),
            )
            for answer in updates
        ],
        layout_of(version),
        float(job.request["limits"]["update_norm_l2_max"]),
        store.path_of(version.optimiser_digest) if version.optimiser_digest else None,
        folder,
        on_block=claim.renew,
    )
