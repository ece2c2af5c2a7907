"""Signed reviews as bytes: whose key one names, and this key's signature alone. Pure."""

from __future__ import annotations

import json
import unicodedata
from functools import lru_cache

from federation.errors import Invalid, Untrusted
from federation.plans.reviews import open_review
from federation.plans.unicode_safety import is_plain_line
from federation.protocol import envelope
from federation.protocol.documents import CodeReview, read
from federation.protocol.keys import PublicKey

REVIEW_BYTES_MAX = 64 << 10


def check_size(sealed: bytes) -> None:
    """Raise Invalid ``review.too_large``."""
    if len(sealed) > REVIEW_BYTES_MAX:
        raise Invalid("review.too_large", "The file is too large: a review has 64 KiB at most.", "document")


def named_key(sealed: bytes) -> PublicKey:
    """The signatory key that a review names, of which nothing is verified yet.

    Raises Invalid ``envelope.malformed`` or ``document.malformed``, Untrusted ``review.malformed`` for another kind of
    document.
    """
    if envelope.payload_type_of(sealed) != CodeReview.payload_type:
        raise Untrusted("review.malformed", "This is no review of code.", "document")
    return PublicKey.from_encoded(read(CodeReview, envelope.payload_unverified(sealed)).signatory_key)


def alone(sealed: bytes, key: PublicKey) -> bytes:
    """The envelope with this key's signature and no other that was in the file. Raises what ``open_review`` raises."""
    payload = envelope.payload_unverified(sealed)
    open_review(sealed, key)
    bare = json.loads(envelope.sign(payload, CodeReview.payload_type))
    own = [entry for entry in json.loads(sealed)["signatures"] if entry["keyid"] == key.key_id]
    signatures = [{"keyid": key.key_id, "sig": str(entry["sig"])} for entry in own]
    single = json.dumps({**bare, "signatures": signatures[:1]}, separators=(",", ":")).encode()
    open_review(single, key)
    return single


@lru_cache(maxsize=4096)
def opened(sealed: bytes, key: PublicKey) -> CodeReview | None:
    """A review that was kept, verified again with the key that counts now; None where that key did not sign it."""
    try:
        return open_review(sealed, key)
    except (Invalid, Untrusted):
        return None


def check_plain(review: CodeReview) -> None:
    """Raise Invalid ``review.malformed`` for characters that can't be kept, or that nobody sees."""
    if not is_plain_line(review.reviewer):
        raise _unseen("reviewer's name")
    if any(unicodedata.category(one) in {"Cc", "Cf", "Cs"} and one not in "\n\r\t" for one in review.note):
        raise _unseen("note")


def _unseen(field: str) -> Invalid:
    return Invalid("review.malformed", f"The {field} has characters that a reader does not see.", "document")
