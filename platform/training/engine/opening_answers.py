"""A silo's answer as it comes: verified, and read."""

from __future__ import annotations

from federation.protocol.documents import Refusal, Submission, verify_document
from federation.protocol.documents.versions import check_authorises
from federation.protocol.envelope import payload_type_of
from federation.protocol.keys import PublicKey


def open_answer(document: bytes, key: PublicKey) -> Refusal | Submission:
    """Verify an answer to an order of a step, and read it.

    Raises what ``verify_document`` raises, and Invalid ``protocol.outdated`` for an answer of protocol 1.0. A
    refusal asks
    for nothing, and is kept whatever its version.
    """
    if payload_type_of(document) == Refusal.payload_type:
        return verify_document(Refusal, document, [key])
    parsed = verify_document(Submission, document, [key])
    check_authorises(parsed.protocol, "The answer")
    return parsed
