"""What is wrong with a declaration, for the person who wrote it: by field, with the column's or the step's own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from federation.errors import Invalid
from federation.protocol.dataset_trace import Faulty
from federation.validation import refusal

CODE = "dataset.invalid"
_NAME_MAX = 60


def faults_of(error: ValidationError, data: Mapping[str, Any]) -> Invalid:
    """Everything that is wrong, as one refusal: its message is the first, `fields` has all of them."""
    found: dict[str, list[str]] = {}
    for path, texts in _texts(error, data):
        subject = _subject(path, data)
        found.setdefault(path, []).extend(f"{subject}: {text}" if subject else text for text in texts)
    first = next(iter(found))
    return Invalid(CODE, found[first][0], first or None, fields=found)


def _texts(error: ValidationError, data: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    for fault in error.errors(include_url=False, include_input=False):
        whole = fault.get("ctx", {}).get("error")
        if isinstance(whole, Faulty):  # alone: columns and steps are read by then
            return [(place, [one_report]) for place, one_report in dict.fromkeys(whole.faults)]
    reported = refusal(error, CODE, data=data)
    return list(reported.fields.items()) or [("", [reported.message])]


def _subject(path: str, data: Mapping[str, Any]) -> str:
    """What a path is about, in the words of the declaration: column 'amount', unit."""
    kind, _, rest = path.partition(".")
    number, _, rest = rest.partition(".")
    items = data.get(kind)
    if kind not in ("columns", "steps") or not number.isdecimal() or not isinstance(items, list | tuple):
        return path
    item = items[int(number)] if int(number) < len(items) else None
    name = item.get("name" if kind == "columns" else "step") if isinstance(item, Mapping) else None
    shown = repr(str(name)[:_NAME_MAX]) if name is not None else f"number {int(number) + 1}"
    subject = f"column {shown}" if kind == "columns" else f"step {int(number) + 1} ({str(name)[:_NAME_MAX]})"
    return f"{subject}, {rest}" if rest else subject
