"""A kind of order of no round: silos are asked to set something aside, and say that they have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from audit.actors import Actor
from federation.errors import Invalid
from federation.protocol.documents import OrderKind, Submission
from training.engine.deadlines import StepDeadlines
from training.engine.sql.answered import AnsweredOrder
from training.models import Job
from training.transitions import OrderState

SETTLED: list[tuple[UUID, str]] = []
"""What became of which order, for tests."""


class Reserving:
    """The silo that answers has set it aside."""

    kind = OrderKind.RESERVE

    def issue(self, job: Job, order_id: UUID, deadlines: StepDeadlines) -> Mapping[str, Any]:
        """How much."""
        del job, order_id, deadlines
        return {"parameters": {"amount": 3}}

    def accept(self, order: AnsweredOrder, statement: Submission) -> None:
        """With nothing beside it."""
        del order
        if statement.training is not None:
            raise Invalid("submission.payload", "Nobody has trained.")

    def settle(self, order_ids: Collection[UUID], state: OrderState, by: Actor) -> None:
        """Noted."""
        del by
        SETTLED.extend((order_id, state.value) for order_id in order_ids)


STEPLESS_KIND = Reserving()
