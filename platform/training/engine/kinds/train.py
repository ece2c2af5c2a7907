"""To train: each silo answers with an update, and the updates make the next version of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from audit.actors import Actor
from federation.errors import Invalid
from federation.protection import mode_of
from federation.protocol.documents import MODEL, UPDATE, OrderKind, Submission
from registry.actions import record_metrics_and_mark_best
from registry.models import ModelVersion
from training.engine.deadlines import StepDeadlines
from training.engine.kinds.base import Claim, Closed
from training.engine.kinds.models import combined_metrics, model_in_manifest, model_reference, upload_grant
from training.engine.sql.answered import AnsweredOrder
from training.engine.sql.steps import Applied
from training.models import Job, Round
from training.protocols.answers import Answer


class Train:
    """Updates of one global model."""

    kind = OrderKind.TRAIN
    is_about_model = True
    parameters: frozenset[str] = frozenset()

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

    def accept(self, order: AnsweredOrder, statement: Submission) -> None:
        """It is answered with an update, and with what the training was like."""
        del order
        if statement.training is None:
            raise Invalid("submission.training", "A train order is answered with what the training was.", "training")

    def close(self, claim: Claim, answers: Sequence[Answer]) -> Closed:
        """Keep what the model that was trained from was like. The protocol says when updates make the next version."""

        def keep(by: Actor) -> None:
            record_metrics_and_mark_best(version=claim.round.version, metrics=combined_metrics(claim), by=by)

        return Closed([Applied(answer.order_id) for answer in answers], keep=keep)


STEP_KIND = Train()
