"""What a kind of order is to the engine: what its orders hold, which answers fit, and what becomes of the answers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from audit.actors import Actor
from federation.aggregation.aggregate import Rejected
from federation.errors import Invalid
from federation.protocol.documents import Refusal, Submission
from registry.models import ModelVersion
from silos.models import Silo
from training.engine.deadlines import StepDeadlines
from training.engine.sql.answered import AnsweredOrder
from training.engine.sql.steps import Applied, ClaimedStep
from training.models import Job, Round
from training.protocols.answers import Answer
from training.transitions import OrderState


class TooFewAcceptedError(Invalid):
    """Fewer answers than the quorum could be used."""

    def __init__(self, message: str, rejected: Sequence[Rejected] = ()) -> None:
        super().__init__("round.too_few_accepted", message)
        self.rejected = rejected


class LeaseLostError(Exception):
    """Somebody else closes the step by now, or it is over: whatever was worked out is void."""


@dataclass(frozen=True)
class Claim:
    """A step that one worker has taken for closing, with its round and job."""

    round: Round
    step: ClaimedStep
    lease: UUID
    renew: Callable[[], None]
    """To be called every now and then by code that works long. Raises LeaseLostError."""


@dataclass(frozen=True)
class Closed:
    """What came out of a step's answers."""

    applied: Sequence[Applied]
    rejected: Sequence[Rejected] = ()
    update_norm_l2: float | None = None
    marks: Sequence[Path | None] = ()
    """Of files that were put into the store: to be released once what names them is committed."""
    keep: Callable[[Actor], ModelVersion | None] = field(default=lambda _: None)
    """Writes down what else follows, in the transaction that ends the step, and once the answers are settled; the
    version of the model that the next round starts from, where there is a new one."""
    evidence: Mapping[str, object] = field(default_factory=dict)
    """What the event of the round's end says besides: digests of what else was made."""


class StepKind(Protocol):
    """A kind of order that a step of a round is made of. One module a kind."""

    kind: str
    """As orders say it: `federation.protocol.documents.OrderKindName`."""
    is_about_model: bool
    """Whether its orders are about a global model. A job whose work is of another kind begins without one."""
    parameters: frozenset[str]
    """The names of the parameters that its orders may have: none that a silo does not know is signed."""

    def in_manifest(self, job: Job, version: ModelVersion | None) -> Mapping[str, Any]:
        """What the manifest of a job says whose work is of this kind, besides what every manifest does."""
        ...

    def issue(self, round_: Round, order_id: UUID, deadlines: StepDeadlines) -> Mapping[str, Any]:
        """What an order of this kind holds, besides what every order does: inputs, outputs, parameters.

        `kinds.models` makes references and grants.
        """
        ...

    def accept(self, order: AnsweredOrder, statement: Submission) -> None:
        """Raise Invalid ``submission.*`` unless an answer is one to this kind of order.

        That it brings the payloads that were granted, and no other, was looked at before.
        """
        ...

    def close(self, claim: Claim, answers: Sequence[Answer]) -> Closed:
        """Work out what the answers make, at least as many as the quorum, outside any transaction.

        Their payloads were found to be of their kinds (`engine.payload_checks`).

        Raises TooFewAcceptedError, LeaseLostError, and FederationErrors for which the round is abandoned.
        """
        ...


class SteplessKind(Protocol):
    """A kind of order of a job that belongs to no step of a round (`engine.stepless`). One module a kind.

    It is answered with a submission or a refusal, as orders of rounds are.
    """

    kind: str
    """As orders say it: `federation.protocol.documents.OrderKindName`."""

    def issue(self, job: Job, order_id: UUID, deadlines: StepDeadlines) -> Mapping[str, Any]:
        """What an order of this kind holds, besides what every order does."""
        ...

    def accept(self, order: AnsweredOrder, statement: Submission) -> None:
        """Raise Invalid ``submission.*`` unless an answer is one to this kind of order, as for `StepKind`."""
        ...

    def settle(self, order_ids: Collection[UUID], state: OrderState, by: Actor) -> None:
        """Write down what follows once these orders are answered, refused, cancelled or expired.

        Part of the transaction that settles them: it happens once for each order, or not at all. All are of one job,
        which is locked: its state may change by this.
        """
        ...


class StatementKind(Protocol):
    """A kind of order of no job. It is answered with a signed statement that names no order. One module a kind."""

    kind: str
    """As orders say it: `federation.protocol.documents.OrderKindName`."""
    answer_type: str
    """The payload type of the documents with which it is answered."""

    def accept(self, document: bytes, by: Silo) -> OrderState:
        """Take an answer to one of these orders; what became of the order."""
        ...

    def refuse(self, statement: Refusal, document: bytes, by: Silo) -> str:
        """Take the refusal of one of these orders; its code."""
        ...
