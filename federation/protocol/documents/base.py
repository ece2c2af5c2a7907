"""What all documents are made of: the two kinds of models, and the bounded values that they share."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from federation.protocol.digests import DIGEST_PATTERN

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]
Text = Annotated[str, Field(max_length=4000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", max_length=80)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Document(BaseModel):
    """What is signed: immutable, closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    payload_type: ClassVar[str]

    protocol: Literal["1.0", "1.1"] = "1.1"
    """The version under which it was written. A field that 1.1 added has a default that says what 1.0 meant."""


class Part(BaseModel):
    """A piece of a document."""

    model_config = ConfigDict(frozen=True, extra="forbid")
