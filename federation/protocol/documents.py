"""The sealed documents: what each says, and the payload type under which it is signed.

Every document is immutable, refuses fields that it does not know, and travels in a DSSE envelope (``envelope.py``).
Fields for agreements, differential privacy and masks are here from the first version and empty until they are used.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from federation.errors import Invalid
from federation.protocol import envelope
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.digests import DIGEST_PATTERN
from federation.protocol.keys import KEY_ID_PATTERN, PrivateKey, PublicKey
from federation.protocol.tensors import TensorSpec

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
KeyId = Annotated[str, Field(pattern=KEY_ID_PATTERN)]
Text = Annotated[str, Field(max_length=4000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", max_length=80)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class OrderKind(StrEnum):
    """What a silo can be told to do. What this version does not carry out is refused: ``order.kind_not_supported``."""

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


class Document(BaseModel):
    """What is signed: immutable, closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    payload_type: ClassVar[str]

    protocol: Literal["1.0"] = "1.0"


class Part(BaseModel):
    """A piece of a document."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SiloCertificate(Document):
    """An organisation's word that an identity key belongs to one of its silos (signed by the signatory key)."""

    payload_type = "application/vnd.consilience.silo-certificate.v1+json"

    organisation: Name
    signatory_key: str
    identity_key: str
    not_before: AwareDatetime
    not_after: AwareDatetime


class EnrolmentStatement(Document):
    """A trainer presents itself (signed by the identity key that it names)."""

    payload_type = "application/vnd.consilience.enrolment.v1+json"

    identity_key: str
    signatory_key: str
    connector_version: Name
    capabilities: dict[str, Any] = Field(default_factory=dict, max_length=50)
    created_at: AwareDatetime


class DatasetRegistration(Document):
    """A silo's description of data it holds: schema and declared transformations, no values (signed by the silo)."""

    payload_type = "application/vnd.consilience.dataset.v1+json"

    silo_id: UUID
    declaration: DatasetDeclaration
    schema_digest: Digest
    rows_coarse: Count
    registered_at: AwareDatetime


class DatasetWithdrawal(Document):
    """A silo declares a dataset no longer, and so offers it no more (signed by the silo)."""

    payload_type = "application/vnd.consilience.dataset-withdrawal.v1+json"

    silo_id: UUID
    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
    withdrawn_at: AwareDatetime


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


class BlobReference(Part):
    """Where the relay fetches an artefact, and what it must be."""

    digest: Digest
    size_bytes: Count
    url: Annotated[str, Field(max_length=2000, pattern=r"^/connector/v1/blobs/")]


class UploadGrant(Part):
    """Where the relay puts an artefact: ``{digest}`` in the address stands for the artefact's own digest."""

    size_bytes_max: Count
    url: Annotated[str, Field(max_length=2000, pattern=r"^/connector/v1/uploads/")]


class Order(Document):
    """One step for one silo (signed by the platform; once only, expiring)."""

    payload_type = "application/vnd.consilience.order.v1+json"

    order_id: UUID
    number: Annotated[int, Field(ge=1, le=2**53)]
    kind: OrderKind
    silo_id: UUID
    job_id: UUID
    manifest_digest: Digest
    round: Count
    attempt: Annotated[int, Field(ge=1, le=10_000)]
    model: BlobReference | None = None
    upload: UploadGrant | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)
    issued_at: AwareDatetime
    expires_at: AwareDatetime


class PayloadReference(Part):
    """The file that goes with a submission."""

    digest: Digest
    size_bytes: Count


class Confusion(Part):
    """Counts by class: ``counts[i][j]`` rows of class i were taken for class j. Whole, or not at all."""

    counts: tuple[tuple[Count, ...], ...] = Field(max_length=1000)


class EvaluationReport(Part):
    """How the global model of the order does on the silo's own test rows."""

    rows: Count
    loss: Finite | None = None
    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    auc: Annotated[float, Field(ge=0, le=1)] | None = None
    confusion: Confusion | None = None
    suppressed: bool = False


class TrainingReport(Part):
    """What local training did."""

    rows: Count
    steps: Count
    loss: Finite
    update_norm_l2: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Environment(Part):
    """What the silo ran on."""

    connector_version: Name
    image_digest: Digest | None = None


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
    model_digest: Digest
    payload: PayloadReference | None = None
    training: TrainingReport | None = None
    evaluation: EvaluationReport | None = None
    phases_s: dict[Name, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, max_length=20
    )
    ledger: dict[str, Any] | None = None
    environment: Environment
    created_at: AwareDatetime


class Refusal(Document):
    """A silo says no, with a stable code and nothing of the site's secrets (signed by the silo's identity key)."""

    payload_type = "application/vnd.consilience.refusal.v1+json"

    order_id: UUID
    number: Annotated[int, Field(ge=1, le=2**53)]
    silo_id: UUID
    job_id: UUID
    code: Code
    message: Annotated[str, Field(max_length=500)]
    rule: Annotated[str, Field(max_length=200)] | None = None
    environment: Environment
    created_at: AwareDatetime


D = TypeVar("D", bound=Document)


def seal(document: Document, *keys: PrivateKey) -> bytes:
    """Sign a document: the bytes of its envelope."""
    return envelope.sign(document.model_dump_json().encode(), document.payload_type, *keys)


def open_sealed(kind: type[D], sealed: bytes, keys: Iterable[PublicKey]) -> D:
    """Verify an envelope and read its document.

    Raises what ``envelope.verify`` raises, and Invalid ``document.malformed`` (with the field) when the signed bytes
    are no such document.
    """
    return read(kind, envelope.verify(sealed, kind.payload_type, keys).payload)


def read(kind: type[D], payload: bytes) -> D:
    """Read a document's bytes. Raises Invalid ``document.malformed``, or ``protocol.version`` for another version."""
    try:
        return kind.model_validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        if field == "protocol":
            raise Invalid("protocol.version", "This side speaks version 1.0 of the protocol.", field) from error
        raise Invalid("document.malformed", f"{kind.__name__}: {first['msg']}", field) from error


def now() -> datetime:
    """The present moment, with its zone, in whole milliseconds."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
