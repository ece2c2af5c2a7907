"""All that is wrong in a file of settings: each mistake with its line, its key, what stands there, what is expected."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from federation.errors import Invalid

SYNTAX, MISSING, UNKNOWN = "setting.syntax", "setting.missing", "setting.unknown"
TYPE, VALUE = "setting.type", "setting.value"
_SHOWN_MAX = 60
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_PASSWORD = re.compile(r"//.*@")


@dataclass(frozen=True)
class Fault:
    """One mistake in a file."""

    code: str
    key: str
    said: str
    line: int | None = None
    """None for what is missing above the first table."""

    def __str__(self) -> str:
        where = "top of the file: " if self.line is None else f"line {self.line}: "
        return f"{where}{self.key}{' ' if self.key else ''}{self.said}  [{self.code}]"


def missing(key: str, expected: str, line: int | None = None) -> Fault:
    """A setting that has to be there; `line` is its table's."""
    return Fault(MISSING, key, f"is missing; expected {expected}.", line)


def unknown(key: str, hint: str, line: int | None) -> Fault:
    """A setting that this version does not know; `hint` is empty or says what may have been meant."""
    return Fault(UNKNOWN, key, f"is no setting that this version knows.{hint}", line)


def close(name: str, names: Iterable[str], likeness: float = 0.6) -> str | None:
    """The one of these names that was probably meant."""
    found = difflib.get_close_matches(name, list(names), 1, likeness)
    return found[0] if found else None


def wrong(code: str, key: str, value: object, expected: str, line: int | None) -> Fault:
    """A value that can't be used."""
    return Fault(code, key, f"is {shown(value)}; expected {expected}.", line)


def syntax(error: Exception) -> Fault:
    """A file that is no TOML: its reader names the first place only."""
    text = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is not written in UTF-8"
    found = _AT_LINE.search(text)
    message = f"the file is no TOML: {_AT_LINE.sub('', text)}. Mend this first; more may be wrong after it."
    return Fault(SYNTAX, "", message, int(found[1]) if found else None)


def refusal(code: str, path: Path, faults: Sequence[Fault], sample: str) -> Invalid:
    """All of them as one error; its `fields` have each under its key."""
    ordered = sorted(faults, key=lambda fault: (fault.line is None, fault.line or 0))
    count = "one mistake" if len(ordered) == 1 else f"{len(ordered)} mistakes"
    lines = [f"{path} has {count}:", *(f"  {fault}" for fault in ordered), f"{sample} shows every setting."]
    fields: dict[str, list[str]] = {}
    for fault in ordered:
        fields.setdefault(fault.key, []).append(str(fault))
    return Invalid(code, "\n".join(lines), ordered[0].key or None, fields=fields)


def shown(value: object) -> str:
    """A value as it may be shown: short, and without a password that stands in an address."""
    text = _PASSWORD.sub("//…@", json.dumps(value, default=str, ensure_ascii=False))
    return text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
