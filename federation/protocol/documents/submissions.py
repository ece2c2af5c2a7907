"""What a silo answers to an order: what it did, or that it won't."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from federation.protocol.documents.base import (
    ARTEFACTS_MAX,
    ArtefactName,
    Code,
    Count,
    Digest,
    Document,
    Finite,
    Name,
    Network,
    Norm,
    Part,
    PayloadKindName,
    PlainObject,
    Rows,
    Seconds,
    Text,
    UtcDatetime,
)
from federation.protocol.documents.checkpoints import KeptHead
from federation.protocol.documents.orders import OrderKindName


class Payload(Part):
    """A file that goes with a submission."""

    kind: PayloadKindName
    digest: Digest
    size_bytes: Count


Table = Annotated[tuple[Annotated[tuple[Rows, ...], Field(max_length=1000)], ...], Field(max_length=1000)]


class EvaluationReport(Part):
    """How the global model of the order does on the silo's own test rows.

    What `figures` may hold the job's target says (``federation.targets``).
    """

    rows: Rows
    figures: dict[Name, Finite | Table] = Field(default_factory=dict, max_length=50)
    suppressed: bool = False


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
    kind: OrderKindName
    silo_id: UUID
    job_id: UUID
    manifest_digest: Digest
    round: Count
    attempt: Annotated[int, Field(ge=1, le=10_000)]
    model_digest: Digest | None = None
    """The model that the order brought; None where it brought none."""
    payloads: dict[ArtefactName, Payload] = Field(default_factory=dict, max_length=ARTEFACTS_MAX)
    """What the order asked for, by the names that it gave."""
    training: TrainingReport | None = None
    evaluation: EvaluationReport | None = None
    phases_s: dict[Name, Seconds] = Field(default_factory=dict, max_length=20)
    ledger: PlainObject | None = None
    environment: Environment
    created_at: UtcDatetime


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
    created_at: UtcDatetime
