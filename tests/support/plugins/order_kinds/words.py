"""A kind of order that brings nothing, and that silos answer with two payloads: a greeting, and who greets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from artefacts import store
from federation.protocol.documents import Submission
from training.engine.deadlines import StepDeadlines
from training.engine.kinds.base import Claim, Closed
from training.engine.kinds.models import upload_grant
from training.engine.sql.answered import AnsweredOrder
from training.engine.sql.steps import Applied
from training.models import Round
from training.protocols.answers import Answer

OUTPUTS = ("greeting", "signature")
HEARD: list[tuple[str, ...]] = []
"""What was heard, for tests."""


class Words:
    """Anyone who answers has greeted."""

    kind = "greet"
    parameters: frozenset[str] = frozenset({"tone"})

    def issue(self, round_: Round, order_id: UUID, deadlines: StepDeadlines) -> Mapping[str, Any]:
        """Two grants, and no model."""
        until = deadlines.expires_at
        return {"outputs": {name: upload_grant(round_, order_id, name, "words.ascii", until) for name in OUTPUTS}}

    def accept(self, order: AnsweredOrder, statement: Submission) -> None:
        """Whatever it says."""
        del order, statement

    def close(self, claim: Claim, answers: Sequence[Answer]) -> Closed:
        """All count."""
        del claim
        for answer in answers:
            HEARD.append(tuple(store.path_of(answer.payloads[name].digest).read_text() for name in OUTPUTS))
        return Closed([Applied(answer.order_id) for answer in answers])


STEP_KIND = Words()
