"""Critical fields: those that a document says it must not be read without (as `crit` of JWS, RFC 7515, 4.1.11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from federation.errors import Invalid
from federation.protocol.documents.base import CRITICAL_MAX, Document

CODE = "protocol.critical"


def check_critical_form(data: Mapping[str, Any]) -> None:
    """Check `critical` of a parsed document by itself.

    Raises Invalid ``protocol.critical`` where it is empty, no list of texts, too long, or names a field twice.
    """
    if "critical" not in data:
        return
    named = data["critical"]
    if not isinstance(named, list) or not 0 < len(named) <= CRITICAL_MAX:
        raise Invalid(CODE, f"It names 1 to {CRITICAL_MAX} fields, or is left out.", "critical")
    if not all(isinstance(path, str) for path in named):
        raise Invalid(CODE, "It names fields by their paths.", "critical")
    if len(set(named)) != len(named):
        raise Invalid(CODE, "A field is named twice.", "critical")


def check_critical(document: Document, data: Mapping[str, Any]) -> None:
    """Check what a document that was read from `data` calls critical.

    Raises Invalid ``protocol.critical`` for a field that is not in it, and for one that this version does not know.
    """
    for path in document.critical or ():
        places = list(_places(data, document, path.split(".")))
        if not places:
            raise Invalid(CODE, f"{path} is called critical and is not there.", "critical")
        if not all(places):
            raise Invalid(CODE, f"{path} is critical, and is not understood here. Upgrade.", path)


def _places(data: Any, statement: Any, path: Sequence[str]) -> Iterator[bool]:
    """Wherever the path leads in the data: whether it was read there as a field that is known."""
    if isinstance(data, list):
        found = statement if isinstance(statement, list | tuple) and len(statement) == len(data) else [None] * len(data)
        for one, read in zip(data, found, strict=True):
            yield from _places(one, read, path)
    elif isinstance(data, Mapping) and path[0] in data:
        name, rest = path[0], path[1:]
        is_known, read = _field(statement, name)
        if rest:
            yield from _places(data[name], read if is_known else None, rest)
        else:
            yield is_known


def _field(statement: Any, name: str) -> tuple[bool, Any]:
    """Whether a field is known where it stands, and what was read of it."""
    if isinstance(statement, BaseModel):
        return name in type(statement).model_fields, getattr(statement, name, None)
    if is_dataclass(statement):
        return name in {field.name for field in fields(statement)}, getattr(statement, name, None)
    if isinstance(statement, Mapping) and isinstance(
        statement.get(name), BaseModel
    ):  # one of a document's own named parts
        return True, statement[name]
    return False, None
