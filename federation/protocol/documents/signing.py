"""Documents as bytes: signed, and verified and read again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TypeVar

from pydantic import ValidationError

from federation.errors import Invalid
from federation.protocol import envelope
from federation.protocol.documents.base import Document
from federation.protocol.documents.critical import check_critical, check_critical_form
from federation.protocol.documents.version_1_0 import as_today
from federation.protocol.documents.versions import OUTDATED, is_later, version_in
from federation.protocol.keys import PrivateKey, PublicKey
from federation.validation import path_of, plain
from federation.validation.encodings import strict_json

D = TypeVar("D", bound=Document)


def sign_document(document: Document, *keys: PrivateKey) -> bytes:
    """Sign a document: the bytes of its envelope."""
    return envelope.sign(document.model_dump_json().encode(), document.payload_type, *keys)


def verify_document(kind: type[D], sealed: bytes, keys: Iterable[PublicKey]) -> D:
    """Verify an envelope and read its document.

    Raises what ``envelope.verify`` and `read` raise.
    """
    return read(kind, envelope.verify(sealed, kind.payload_type, keys).payload)


def read(kind: type[D], payload: bytes) -> D:
    """Read a document's bytes. There is no other way to read one.

    Fields of 1.0 are put into today's (``version_1_0``). Unknown fields of a later minor version are carried and
    ignored, unless the document calls them critical, or is closed as agreements are.
    Raises Invalid ``document.malformed`` with the field; ``protocol.version`` for another major version, or what is no
    version; ``protocol.critical`` for a critical field that is not understood here.
    """
    try:
        data = strict_json(payload)
    except Invalid as error:
        raise Invalid("document.malformed", f"{kind.__name__}: {error.message}") from error
    extra: Literal["allow"] | None = None
    if isinstance(data, dict):
        version = version_in(data)
        if version == OUTDATED:
            payload = json.dumps(as_today(kind.payload_type, data)).encode()
        else:
            check_critical_form(data)
        if is_later(version) and not kind.is_closed:
            extra = "allow"
    try:
        document = kind.model_validate_json(payload, extra=extra, context={"extra": extra})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise Invalid("document.malformed", f"{kind.__name__}: {plain(first)}", path_of(first) or None) from error
    if document.critical and isinstance(data, dict):
        check_critical(document, data)
    return document


def now() -> datetime:
    """The present moment, with its zone, in whole milliseconds."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
