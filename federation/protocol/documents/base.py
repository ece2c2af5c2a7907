"""What all documents are made of: the two kinds of models, and the bounded values that they share."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from federation.protocol.digests import DIGEST_PATTERN
from federation.protocol.keys import Encoded
from federation.validation.bounds import Count, Day, Finite, Moment, Name, Norm, PlainObject, Rows, Seconds, Text

__all__ = [
    "Code",
    "Count",
    "Day",
    "Digest",
    "Document",
    "Encoded",
    "Finite",
    "Moment",
    "Name",
    "Network",
    "Norm",
    "Part",
    "PlainObject",
    "Rows",
    "Seconds",
    "Text",
]

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN, max_length=71)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", max_length=80)]

Network = Literal["none", "allowed"]
"""What a trainer says of its network: that it found none when it began, or that it was told to do without that."""


class Document(BaseModel):
    """What is signed: immutable, closed to unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    payload_type: ClassVar[str]

    protocol: Literal["1.0", "1.1"] = "1.1"
    """The version under which it was written. A field that 1.1 added has a default that says what 1.0 meant."""


class Part(BaseModel):
    """A piece of a document."""

    model_config = ConfigDict(frozen=True, extra="forbid")
