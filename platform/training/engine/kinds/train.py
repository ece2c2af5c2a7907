"""To train: each silo answers with an update, and the updates make the next version of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from artefacts import store
from audit.actors import Actor
from federation.aggregation.aggregate import Aggregation, Contribution, NothingAcceptedError, aggregate
from federation.aggregation.combine import COMBINERS
from federation.errors import Invalid
from federation.protection import mode_of
from federation.protocol.documents import MODEL, UPDATE, OrderKind, Submission
from federation.sentences import Sentence
from federation.strategies import parse_strategy
from federation.strategies.weighting import weight_of
from registry.actions import add_version, record_metrics_and_mark_best
from registry.models import ModelVersion
from training.engine.deadlines import StepDeadlines
from training.engine.kinds.base import Claim, Closed, TooFewAcceptedError
from training.engine.kinds.models import combined_metrics, layout_of, model_in_manifest, model_reference, upload_grant
from training.engine.sql.answered import AnsweredOrder
from training.engine.sql.steps import Applied
from training.models import Job, Round
from training.protocols.answers import Answer


class Train:
    """Updates of one global model."""

    kind = OrderKind.TRAIN
    is_about_model = True

    def in_manifest(self, job: Job, version: ModelVersion | None) -> Mapping[str, Any]:
        """The model."""
        if version is None:
            raise LookupError(f"Job {job.id} has no model.")
        return model_in_manifest(job, version)

    def issue(self, round_: Round, order_id: UUID, deadlines: StepDeadlines) -> Mapping[str, Any]:
        """The model, and a grant to upload the update."""
        version, expires_at = round_.version, deadlines.expires_at
        kind = mode_of(round_.job.request["protection"]["mode"]).update_kind
        return {
            "inputs": {MODEL: model_reference(version, expires_at)},
            "outputs": {UPDATE: upload_grant(round_, order_id, UPDATE, kind, expires_at)},
        }

    def accept(self, order: AnsweredOrder, said: Submission) -> None:
        """It is answered with an update, and with what the training was like."""
        del order
        if said.training is None:
            raise Invalid("submission.training", "A train order is answered with what the training was.", "training")

    def close(self, claim: Claim, answers: Sequence[Answer]) -> Closed:
        """Add the updates up, and keep the next version of the model."""
        round_ = claim.round
        folder = store.new_folder()
        try:
            result = _aggregate(claim, answers, folder)
            if len(result.accepted) < claim.step.quorum:
                form = "%(accepted)s updates could be accepted, at least %(needed)s are needed."
                told = Sentence(form, accepted=len(result.accepted), needed=claim.step.quorum)
                raise TooFewAcceptedError(told, result.rejected)
            marks = [store.commit_file(result.model_path, result.model_digest)]
            if result.state_path is not None and result.state_digest is not None:
                marks.append(store.commit_file(result.state_path, result.state_digest))
        except NothingAcceptedError as error:
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
            record_metrics_and_mark_best(version=round_.version, metrics=combined_metrics(claim), by=by)
            return version

        applied = [Applied(UUID(one.key), one.norm_l2, one.cosine_to_mean) for one in result.accepted]
        return Closed(applied, result.rejected, result.norm_l2, marks, keep)


def _aggregate(claim: Claim, answers: Sequence[Answer], folder: Path) -> Aggregation:
    job, version = claim.round.job, claim.round.version
    layout = layout_of(version)
    strategy = parse_strategy(job.request["strategy"])
    return aggregate(
        strategy,
        COMBINERS[strategy.combiner],
        store.path_of(version.digest),
        [
            Contribution(
                str(answer.order_id),
                store.path_of(answer.payloads[UPDATE].digest),
                float(weight_of(strategy.weighting, answer.rows, answer.limits)),
            )
            for answer in answers
        ],
        layout,
        float(job.request["limits"]["update_norm_l2_max"]),
        store.path_of(version.optimiser_digest) if version.optimiser_digest else None,
        folder,
        on_block=claim.renew,
    )


STEP_KIND = Train()
