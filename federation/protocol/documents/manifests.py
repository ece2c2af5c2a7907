"""What a job is."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from federation.protocol.documents.base import Count, Digest, Document, Name, Part, Text
from federation.protocol.tensors import TensorSpec


class CohortMember(Part):
    """One silo of a job: who it is, and with which data."""

    silo_id: UUID
    organisation: Name
    silo: Name
    dataset_id: UUID
    dataset: Name
    schema_digest: Digest
    identity_key: str
    signatory_key: str


class Protection(Part):
    """How updates are protected on their way into the sum. ``clear`` has to be said; more modes come later."""

    mode: Literal["clear"]


class Limits(Part):
    """Bounds that every silo and the platform hold to."""

    update_norm_l2_max: Annotated[float, Field(gt=0, le=1e9)] = 1e4
    minimum_cell: Annotated[int, Field(ge=1, le=1000)] = 5


class Manifest(Document):
    """Everything that a job is: fixed at launch, referred to by its digest ever after (signed by the platform)."""

    payload_type = "application/vnd.consilience.manifest.v1+json"

    job_id: UUID
    consortium_id: UUID
    name: Name
    launched_by: Name
    task: Literal["train", "evaluate"]
    purpose: Text
    agreement_digest: Digest | None = None
    code_digest: Digest | None = None
    privacy: dict[str, Any] | None = None
    model: dict[str, Any]
    n_features: Annotated[int, Field(ge=1, le=1_000_000)]
    n_classes: Annotated[int, Field(ge=2, le=100_000)]
    layout: tuple[TensorSpec, ...]
    initial_model_digest: Digest
    strategy: dict[str, Any]
    local: dict[str, Any]
    rounds: Annotated[int, Field(ge=0, le=100_000)]
    quorum: Annotated[int, Field(ge=1, le=10_000)]
    round_deadline_s: Annotated[float, Field(gt=0, le=30 * 86400)]
    protection: Protection
    limits: Limits
    seed: Count
    cohort: tuple[CohortMember, ...] = Field(min_length=1, max_length=10_000)
    created_at: AwareDatetime
