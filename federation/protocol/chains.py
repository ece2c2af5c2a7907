"""A hash chain over records: anyone who knows a later link can find out whether anything before it was changed.

Each link is SHA-256 over the digest before it and the record's own bytes, with a label that says what is hashed; the
first link follows a digest made from the chain's name alone. Records are kept and verified as the bytes that were
hashed, never as something that could be written in two ways.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

PLATFORM = "platform"
"""The chain of what belongs to no consortium."""
_FIRST = b"consilience/chain/v1/first\x00"
_LINK = b"consilience/chain/v1/link\x00"


@dataclass(frozen=True)
class Break:
    """Where a chain does not hold: the position of the first bad record, counted from 1, and what is wrong with it."""

    position: int
    code: str
    what: str


def chain_of(consortium_id: UUID | None) -> str:
    """The name of the chain that an event of a consortium, or of none, belongs to."""
    return PLATFORM if consortium_id is None else f"consortium/{consortium_id.hex}"


def consortium_of(chain: str) -> UUID | None:
    """The consortium whose events a chain has; None for the platform's."""
    return None if chain == PLATFORM else UUID(chain.removeprefix("consortium/"))


def first_digest(name: str) -> bytes:
    """The 32 bytes that the first link of the chain of this name follows."""
    return hashlib.sha256(_FIRST + name.encode()).digest()


def next_digest(before: bytes, record: bytes) -> bytes:
    """The 32 bytes of the link that a record makes. Raises ValueError unless `before` has 32 bytes."""
    if len(before) != 32:
        raise ValueError("The digest before has 32 bytes.")
    return hashlib.sha256(_LINK + before + record).digest()


def canonical(record: Mapping[str, object]) -> bytes:
    """A record as bytes: JSON with sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def verify_chain(name: str, links: Iterable[tuple[int, bytes, bytes]], head: bytes | None = None) -> Break | int:
    """Check (position, record, digest) from the first link on: how many there are, or where it breaks.

    `head`, when it is known from elsewhere, must be the last digest.
    """
    before, count = first_digest(name), 0
    for position, record, digest in links:
        count += 1
        if position != count:
            return Break(count, "chain.gap", f"The record at position {count} is missing.")
        before = next_digest(before, record)
        if not hmac.compare_digest(before, digest):
            return Break(
                position, "chain.digest", f"The record at position {position} is not the one that was chained."
            )
    if head is not None and not hmac.compare_digest(before, head):
        return Break(count, "chain.head", f"The chain ends at position {count} with another head than the one known.")
    return count
