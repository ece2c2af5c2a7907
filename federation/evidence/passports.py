"""A model's passport: what the platform signs about a version's weights, and what can be held against a job's evidence.

It is an in-toto statement (in-toto/attestation, spec v1) in a DSSE envelope: its subject is the weights' file, its
predicate says of which round they are, under which manifest and agreement, and from whose answers they were made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from federation.errors import Invalid
from federation.protocol import envelope
from federation.protocol.documents.base import Count, Digest, Finite, Name, Part
from federation.protocol.keys import PrivateKey, PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "urn:consilience:model-passport:v1"
_PREFIX = "sha256:"


class Participant(Part):
    """An answer whose update went into the weights."""

    order_id: UUID
    organisation: Name
    silo: Name
    dataset: Name
    answer_digest: Digest
    """Of the sealed answer, byte for byte."""
    update_digest: Digest


class Evaluation(Part):
    """How the weights did over the silos that tried them, as the platform combined it."""

    silos: Count = 0
    loss: Finite | None = None
    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    figures: dict[Name, Finite] = Field(default_factory=dict, max_length=50)
    """Those of targets that have neither."""

    @model_validator(mode="after")
    def _check_figures_are_given_once(self) -> Evaluation:
        if self.figures.keys() & {"loss", "accuracy"}:
            raise ValueError("loss and accuracy have fields of their own.")
        return self

    @property
    def all_figures(self) -> dict[str, float]:
        """All figures, by the names that the target has for them."""
        own = {"loss": self.loss, "accuracy": self.accuracy}
        return {**{name: figure for name, figure in own.items() if figure is not None}, **self.figures}


class Passport(Part):
    """The predicate: where weights come from."""

    consortium_id: UUID
    job_id: UUID
    manifest_digest: Digest
    agreement_digest: Digest | None = None
    code_digest: Digest | None = None
    round: Count
    """0 for the weights that a job begins with."""
    base_digest: Digest | None = None
    """The weights that the round began with."""
    participants: tuple[Participant, ...] = Field(default=(), max_length=10_000)
    evaluation: Evaluation = Evaluation()
    issued_at: AwareDatetime


class _Digests(Part):
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Subject(Part):
    name: Name
    digest: _Digests


class _Statement(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(STATEMENT, alias="_type")
    subject: tuple[_Subject]
    predicate_type: Literal["urn:consilience:model-passport:v1"] = Field(PREDICATE, alias="predicateType")
    predicate: Passport


def sign_passport(weights_digest: str, passport: Passport, key: PrivateKey) -> bytes:
    """The passport of the weights with this digest, signed."""
    digest = _Digests(sha256=weights_digest.removeprefix(_PREFIX))
    statement = _Statement(subject=(_Subject(name="model.safetensors", digest=digest),), predicate=passport)
    return envelope.sign(statement.model_dump_json(by_alias=True).encode(), PAYLOAD_TYPE, key)


def open_passport(sealed: bytes, keys: Iterable[PublicKey]) -> tuple[str, Passport]:
    """The digest of the weights and what is stated about them.

    Raises what ``envelope.verify`` raises, and Invalid ``passport.malformed``.
    """
    payload = envelope.verify(sealed, PAYLOAD_TYPE, keys).payload
    try:
        statement = _Statement.model_validate_json(payload)
    except ValidationError as error:
        raise Invalid("passport.malformed", "The signed bytes are no passport of a model.") from error
    return _PREFIX + statement.subject[0].digest.sha256, statement.predicate
