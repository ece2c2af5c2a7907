"""A bundle of evidence: one text file, a line for each document, chained so that no byte of it can change unseen.

Each line is the JSON of a name, a content in base64 and the SHA-256 of both, so that a changed line is named; the
last line is the head of a hash chain over all lines before it (``federation.protocol.chains``), so that none can be
left out.
Lines are compared as bytes: there is one way only to write a bundle.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from federation.errors import Invalid, Untrusted
from federation.protocol.chains import canonical, first_digest, next_digest

FORMAT = "consilience-evidence/v1"
LINE_BYTES_MAX = 16 << 20
_CHAIN = FORMAT


@dataclass(frozen=True)
class Entry:
    """One document of a bundle."""

    name: str
    content: bytes


def write_bundle(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The lines of a bundle, each with its line feed."""
    digest = first_digest(_CHAIN)
    for line in _lines(entries):
        digest = next_digest(digest, line)
        yield line + b"\n"
    yield canonical({"end": digest.hex()}) + b"\n"


def _lines(entries: Iterable[Entry]) -> Iterator[bytes]:
    yield canonical({"format": FORMAT})
    for entry in entries:
        content = base64.b64encode(entry.content).decode()
        yield canonical({"content": content, "digest": _digest(entry.name, entry.content), "name": entry.name})


def _digest(name: str, content: bytes) -> str:
    return hashlib.sha256(name.encode() + b"\x00" + content).hexdigest()


def read_bundle(lines: Iterable[bytes]) -> Iterator[Entry]:
    """The documents of a bundle, checked line by line.

    Raises Invalid ``bundle.malformed`` for what is no bundle, Untrusted ``bundle.changed`` where a line is not as it
    was written, ``bundle.truncated`` where the end is missing; each names the line. What was yielded before an error is
    not to be used.
    """
    digest, ended, number = first_digest(_CHAIN), False, 0
    for number, line in enumerate(lines, start=1):
        if ended:
            raise Untrusted("bundle.changed", f"Line {number} comes after the end.")
        if len(line) > LINE_BYTES_MAX or not line.endswith(b"\n"):
            raise Untrusted("bundle.truncated", f"Line {number} has no end, or is too long: no whole bundle.")
        bare = line[:-1]
        statement = _read(bare, number)
        if "end" in statement:
            if bare != canonical({"end": digest.hex()}) or not hmac.compare_digest(str(statement["end"]), digest.hex()):
                raise Untrusted("bundle.changed", _changed(number))
            ended = True
            continue
        digest = next_digest(digest, bare)
        if number == 1:
            if statement != {"format": FORMAT}:
                raise Invalid("bundle.malformed", f"The first line does not say {FORMAT}.")
            continue
        yield _entry(statement, number)
    if not ended:
        raise Untrusted("bundle.truncated", f"The bundle ends after line {number} without saying so.")


def _read(line: bytes, number: int) -> dict[str, object]:
    try:
        body = json.loads(line)
        written = canonical(body) if isinstance(body, dict) else b""
    except (ValueError, RecursionError) as error:  # also numbers that are none, and halves of letters
        raise Untrusted("bundle.changed", f"Line {number} is no JSON.") from error
    if written != line:
        raise Untrusted("bundle.changed", f"Line {number} is not written as a bundle writes it.")
    assert isinstance(body, dict)
    return body


def _entry(statement: dict[str, object], number: int) -> Entry:
    name, content = statement.get("name"), statement.get("content")
    if not isinstance(name, str) or not isinstance(content, str) or len(statement) != 3:
        raise Untrusted("bundle.changed", f"Line {number} is not written as a bundle writes it.")
    try:
        decoded = base64.b64decode(content, validate=True)
    except (ValueError, binascii.Error) as error:
        raise Untrusted("bundle.changed", f"Line {number} ({name}) holds no base64.") from error
    if base64.b64encode(decoded).decode() != content:
        raise Untrusted("bundle.changed", f"Line {number} ({name}) holds base64 that nobody writes so.")
    if statement.get("digest") != _digest(name, decoded):
        raise Untrusted("bundle.changed", f"Line {number} ({name}) is not the one that was written.")
    return Entry(name, decoded)


def _changed(number: int) -> str:
    return f"The lines up to {number} are not those that were written: the digest at the end is another."
