"""What all documents are made of: the two kinds of models, and the bounded values that they share."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from federation.protocol.carried import CarriesUnknown
from federation.protocol.digests import DIGEST_PATTERN
from federation.protocol.documents.versions import CURRENT, VERSION_PATTERN, check_major
from federation.protocol.keys import Encoded
from federation.validation.bounds import Count, Day, Finite, Name, Norm, PlainObject, Rows, Seconds, Text, UtcDatetime

__all__ = [
    "ARTEFACTS_MAX",
    "ArtefactName",
    "Code",
    "Count",
    "Day",
    "Digest",
    "Document",
    "Encoded",
    "Finite",
    "Name",
    "Network",
    "Norm",
    "Part",
    "PayloadKindName",
    "PlainObject",
    "Rows",
    "Seconds",
    "Text",
    "UtcDatetime",
]

Digest = Annotated[str, Field(pattern=DIGEST_PATTERN, max_length=71)]
Code = Annotated[str, Field(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$", max_length=80)]

Network = Literal["none", "allowed"]
"""What a trainer says of its network: that it found none when it began, or that it was instructed to do without
that.
"""

ARTEFACTS_MAX = 16
"""How many inputs an order has at most, and how many outputs."""
ARTEFACT_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"
ArtefactName = Annotated[str, Field(pattern=ARTEFACT_PATTERN, max_length=40)]
"""What an order calls an artefact that it brings, or asks for. It becomes part of file names and addresses."""
PayloadKindName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$", max_length=40)]
"""What a payload is: one of ``federation.protocol.payloads``."""

FieldPath = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$", max_length=200)]
CRITICAL_MAX = 50


class Document(CarriesUnknown):
    """What is signed: immutable, closed to unknown fields but those of a later minor version (``signing.read``)."""

    payload_type: ClassVar[str]
    is_closed: ClassVar[bool] = False
    """Whether unknown fields are refused in later versions too: who does not understand a term does not sign it."""

    protocol: Annotated[str, Field(pattern=VERSION_PATTERN), AfterValidator(check_major)] = CURRENT
    """The version under which it was written. A field that 1.1 added has a default that says what 1.0 meant."""
    critical: Annotated[
        tuple[FieldPath, ...] | None,
        Field(min_length=1, max_length=CRITICAL_MAX, exclude_if=lambda given: given is None),
    ] = None
    """Fields, as dotted paths, without which it must not be read (as `crit` of JWS, RFC 7515, 4.1.11)."""


class Part(CarriesUnknown):
    """A piece of a document."""
