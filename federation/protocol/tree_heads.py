"""Whether one head of the audit log follows from another: what trainers ask before they countersign, and verifiers.

This is the only place where a fork is recognised.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from federation.protocol import merkle

GOES_BACK = "checkpoint.goes_back"
FORKED = "checkpoint.forked"
UNPROVEN = "checkpoint.unproven"


@dataclass(frozen=True)
class TreeHead:
    """How far a log has come: so many records, the last link of their chain, and the root over all links (both hex)."""

    position: int
    digest: str
    root: str | None = None
    """None in what was signed under protocol 1.0, which knew the chain alone."""


def why_not_after(before: TreeHead, after: TreeHead, hashes: Sequence[str] | None) -> str | None:
    """Why a head does not follow from one that is kept: a code, or None where it is proven to.

    `hashes` (hex) are a consistency proof (RFC 9162, §2.1.4) or, where the kept head has no root, an inclusion proof
    (§2.1.3) of its digest as the last of its leaves; None where none was given. Codes: ``checkpoint.goes_back`` for
    fewer records than are kept, ``checkpoint.forked`` for a history that is another one, ``checkpoint.unproven``
    where nothing shows that it is the same.
    """
    if after.position < before.position:
        return GOES_BACK
    if after.root is None:
        return UNPROVEN
    if after.position == before.position:
        if not hmac.compare_digest(after.digest, before.digest):
            return FORKED
        if before.root is not None:
            return None if hmac.compare_digest(after.root, before.root) else FORKED
    if before.position == 0:
        return None
    if hashes is None:
        return UNPROVEN
    try:
        proof = [bytes.fromhex(one) for one in hashes]
        new, last = bytes.fromhex(after.root), bytes.fromhex(before.digest)
        old = None if before.root is None else bytes.fromhex(before.root)
    except ValueError:
        return UNPROVEN
    if old is None:
        holds = merkle.is_included(last, before.position - 1, after.position, proof, new)
    else:
        holds = merkle.is_consistent(before.position, after.position, old, new, proof)
    return None if holds else FORKED
