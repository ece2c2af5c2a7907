"""What a silo answers to an order: what it did, or that it won't."""

from __future__ import annotations

from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator

from federation.protocol.documents.base import (
    Code,
    Count,
    Digest,
    Document,
    Finite,
    Moment,
    Name,
    Network,
    Norm,
    Part,
    PlainObject,
    Rows,
    Seconds,
    Text,
)
from federation.protocol.documents.checkpoints import KeptHead
from federation.protocol.documents.orders import OrderKind


class PayloadReference(Part):
    """The file that goes with a submission."""

    digest: Digest
    size_bytes: Count


class Confusion(Part):
    """Counts by class: ``counts[i][j]`` rows of class i were taken for class j. Whole, or not at all."""

    counts: tuple[Annotated[tuple[Rows, ...], Field(max_length=1000)], ...] = Field(max_length=1000)


Table = Annotated[tuple[Annotated[tuple[Rows, ...], Field(max_length=1000)], ...], Field(max_length=1000)]


class EvaluationReport(Part):
    """How the global model of the order does on the silo's own test rows.

    What `figures` may hold the job's target says (``federation.targets``). In protocol 1.0 there were four, each a
    field of its own: they are read for ever, and written no more.
    """

    rows: Rows
    figures: dict[Name, Finite | Table] = Field(default_factory=dict, max_length=50)
    suppressed: bool = False
    loss: Finite | None = None
    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    auc: Annotated[float, Field(ge=0, le=1)] | None = None
    confusion: Confusion | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.figures and self._of_1_0():
            raise ValueError("give all figures in one place")
        return self

    @property
    def told(self) -> dict[str, float | tuple[tuple[int, ...], ...]]:
        """All that it tells of the model, wherever it stands."""
        return {**self._of_1_0(), **self.figures}

    def _of_1_0(self) -> dict[str, float | tuple[tuple[int, ...], ...]]:
        old = {
            "loss": self.loss,
            "accuracy": self.accuracy,
            "auc": self.auc,
            "confusion": None if self.confusion is None else self.confusion.counts,
        }
        return {name: figure for name, figure in old.items() if figure is not None}


class TrainingReport(Part):
    """What local training did."""

    rows: Rows
    steps: Rows
    loss: Finite | None = None
    """None where the agreement lets no loss out."""
    update_norm_l2: Norm


class Environment(Part):
    """What the silo ran on."""

    connector_version: Name
    image_digest: Digest | None = None
    network: Network | None = None
    """Whether the trainer may have a network. None as in 1.0: it does not say."""


class Submission(Document):
    """What a silo's trainer answers to an order (signed by the silo's identity key)."""

    payload_type = "application/vnd.consilience.submission.v1+json"

    order_id: UUID
    number: Annotated[int, Field(ge=1, le=2**53)]
    kind: OrderKind
    silo_id: UUID
    job_id: UUID
    manifest_digest: Digest
    round: Count
    attempt: Annotated[int, Field(ge=1, le=10_000)]
    model_digest: Digest | None
    """None where the order is about no model."""
    payload: PayloadReference | None = None
    training: TrainingReport | None = None
    evaluation: EvaluationReport | None = None
    phases_s: dict[Name, Seconds] = Field(default_factory=dict, max_length=20)
    ledger: PlainObject | None = None
    environment: Environment
    created_at: Moment


class Refusal(Document):
    """A silo says no, with a stable code and nothing of the site's secrets (signed by the silo's identity key)."""

    payload_type = "application/vnd.consilience.refusal.v1+json"

    order_id: UUID
    number: Annotated[int, Field(ge=1, le=2**53)]
    silo_id: UUID
    job_id: UUID | None
    """None where the order belongs to no job."""
    code: Code
    message: Annotated[Text, Field(max_length=500)]
    rule: Name | None = None
    kept: KeptHead | None = None
    """Where it does not countersign a head of the audit log: the head of that chain which it keeps, if it keeps one."""
    highest_number: Annotated[int, Field(ge=1, le=2**53)] | None = None
    """Where the order's number was used before: the highest that was. None under protocol 1.0."""
    environment: Environment
    created_at: Moment
