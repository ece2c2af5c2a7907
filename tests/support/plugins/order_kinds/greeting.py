"""A kind of order in which silos only say that they have done what they had to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from federation.protocol.documents import Submission
from registry.models import ModelVersion
from training.engine.deadlines import StepDeadlines
from training.engine.kinds.base import Claim, Closed
from training.engine.kinds.models import model_reference
from training.engine.sql.answered import AnsweredOrder
from training.engine.sql.steps import Applied
from training.models import Job, Round
from training.protocols.answers import Answer


class SigningOff:
    """Anyone who answers has signed off."""

    kind = "sign_off"
    is_about_model = True
    parameters: frozenset[str] = frozenset()

    def in_manifest(self, job: Job, version: ModelVersion | None) -> Mapping[str, Any]:
        """Nothing: it is no work of a job."""
        del job, version
        return {}

    def issue(self, round_: Round, order_id: UUID, deadlines: StepDeadlines) -> Mapping[str, Any]:
        """The model, which every answer names."""
        del order_id
        return {"inputs": {"model": model_reference(round_.version, deadlines.expires_at)}}

    def accept(self, order: AnsweredOrder, statement: Submission) -> None:
        """Whatever it says."""
        del order, statement

    def close(self, claim: Claim, answers: Sequence[Answer]) -> Closed:
        """All count."""
        del claim
        return Closed([Applied(answer.order_id) for answer in answers])


STEP_KIND = SigningOff()
