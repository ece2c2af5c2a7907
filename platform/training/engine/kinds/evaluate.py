"""To evaluate a model: each silo reports how it does on its own test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from audit.actors import Actor
from federation.errors import Invalid
from federation.protocol.documents import MODEL, OrderKind, Submission
from registry.actions import record_metrics_and_mark_best
from registry.models import ModelVersion
from training.engine.deadlines import StepDeadlines
from training.engine.kinds.base import Claim, Closed
from training.engine.kinds.models import combined_metrics, model_in_manifest, model_reference
from training.engine.sql.answered import AnsweredOrder
from training.engine.sql.steps import Applied
from training.models import Job, Round
from training.protocols.answers import Answer


class Evaluate:
    """Figures of one global model."""

    kind = OrderKind.EVALUATE
    is_about_model = True
    parameters: frozenset[str] = frozenset()

    def in_manifest(self, job: Job, version: ModelVersion | None) -> Mapping[str, Any]:
        """The model."""
        if version is None:
            raise LookupError(f"Job {job.id} has no model.")
        return model_in_manifest(job, version)

    def issue(self, round_: Round, order_id: UUID, deadlines: StepDeadlines) -> Mapping[str, Any]:
        """The model."""
        del order_id
        return {"inputs": {MODEL: model_reference(round_.version, deadlines.expires_at)}}

    def accept(self, order: AnsweredOrder, statement: Submission) -> None:
        """It is answered with an evaluation, and no update."""
        del order
        if statement.training is not None:
            raise Invalid("submission.training", "Only a train order is answered with a training.", "training")
        if statement.evaluation is None:
            raise Invalid("submission.evaluation", "An evaluate order is answered with an evaluation.", "evaluation")

    def close(self, claim: Claim, answers: Sequence[Answer]) -> Closed:
        """All count; the figures are those of the model, unless a job of its own was launched only to evaluate it."""

        def keep(by: Actor) -> None:
            if claim.round.job.evaluated_version_id is None:
                record_metrics_and_mark_best(version=claim.round.version, metrics=combined_metrics(claim), by=by)

        return Closed([Applied(answer.order_id) for answer in answers], keep=keep)


STEP_KIND = Evaluate()
