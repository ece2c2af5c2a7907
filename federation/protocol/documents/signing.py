"""Documents as bytes: signed, and verified and read again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar

from pydantic import ValidationError

from federation.errors import Invalid
from federation.protocol import envelope
from federation.protocol.documents.base import Document
from federation.protocol.documents.terms_1_0 import as_read_today
from federation.protocol.keys import PrivateKey, PublicKey
from federation.validation import path_of, plain
from federation.validation.encodings import strict_json

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
        strict_json(payload)
        return kind.model_validate_json(as_read_today(kind.payload_type, payload))
    except Invalid as error:
        raise Invalid("document.malformed", f"{kind.__name__}: {error.message}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = path_of(first) or None
        if field == "protocol":
            raise Invalid("protocol.version", "This side speaks protocol 1.0 and 1.1.", field) from error
        raise Invalid("document.malformed", f"{kind.__name__}: {plain(first)}", field) from error


def now() -> datetime:
    """The present moment, with its zone, in whole milliseconds."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
