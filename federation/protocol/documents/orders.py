"""What the platform instructs a silo to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from federation.protocol.documents.base import (
    ARTEFACTS_MAX,
    ArtefactName,
    Count,
    Digest,
    Document,
    Part,
    PayloadKindName,
    PlainObject,
    UtcDatetime,
)
from federation.protocol.documents.checkpoints import ConsistencyProof

MODEL = "model"
"""What orders call the global model that they are about."""
UPDATE = "update"
"""What orders call the change of the model by one silo's training."""


KIND_PATTERN = r"^[a-z][a-z_]{0,19}$"
OrderKindName = Annotated[str, Field(pattern=KIND_PATTERN, max_length=20)]
"""What a silo is asked to do, by name. Documents may name any; who does not carry it out refuses the order:
``order.kind_not_supported``.
"""


class OrderKind(StrEnum):
    """The names of the kinds of order that this version of the protocol knows.

    There may be others, so nothing that was read is parsed into this; names are compared with ``==``.
    """

    TRAIN = "train"
    EVALUATE = "evaluate"
    STATISTICS = "statistics"
    RESERVE = "reserve"
    RELEASE = "release"
    KEY_EXCHANGE = "key_exchange"
    CONSISTENCY = "consistency"
    UNMASK = "unmask"
    DECRYPT = "decrypt"
    CHECKPOINT = "checkpoint"


OF_NO_ROUND: frozenset[str] = frozenset({OrderKind.RESERVE, OrderKind.RELEASE})
"""Kinds of a job's orders that belong to no round of it: they say round 0, attempt 1."""


class BlobReference(Part):
    """Where the relay fetches an artefact, and what it must be."""

    digest: Digest
    size_bytes: Count
    url: Annotated[str, Field(max_length=2000, pattern=r"^/connector/v1/blobs/")]


class UploadGrant(Part):
    """Where the relay puts an artefact: ``{digest}`` in the address stands for the artefact's own digest."""

    kind: PayloadKindName
    """What is wanted: one of ``federation.protocol.payloads``."""
    size_bytes_max: Count
    url: Annotated[str, Field(max_length=2000, pattern=r"^/connector/v1/uploads/")]


class OrderBase(Document):
    """What every order has: whom it is for, its once-only number, and until when it holds (signed by the platform)."""

    payload_type = "application/vnd.consilience.order.v1+json"

    order_id: UUID
    number: Annotated[int, Field(ge=1, le=2**53)]
    silo_id: UUID
    issued_at: UtcDatetime
    expires_at: UtcDatetime


class Order(OrderBase):
    """One step of a job for one silo."""

    kind: OrderKindName
    job_id: UUID
    manifest_digest: Digest
    round: Count
    attempt: Annotated[int, Field(ge=1, le=10_000)]
    inputs: dict[ArtefactName, BlobReference] = Field(default_factory=dict, max_length=ARTEFACTS_MAX)
    """What comes with it, by name."""
    outputs: dict[ArtefactName, UploadGrant] = Field(default_factory=dict, max_length=ARTEFACTS_MAX)
    """What it is answered with, by name, beside the answer itself."""
    parameters: PlainObject = Field(default_factory=dict)

    @property
    def model_digest(self) -> str | None:
        """The digest of the model that it is about; None where it brings none."""
        model = self.inputs.get(MODEL)
        return None if model is None else model.digest


class CheckpointOrder(OrderBase):
    """To countersign the head of an audit chain and keep it; of no job. The answer is the
    same head, signed by the silo.

    `checkpoint` is the envelope of the ``AuditCheckpoint`` that the platform has signed.
    """

    kind: Literal["checkpoint"] = "checkpoint"
    checkpoint: PlainObject
    proof: ConsistencyProof | None = None
    """That the head follows from the one that the silo keeps; None where it is believed to keep none."""
