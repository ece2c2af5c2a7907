"""Reviews of a training plan: how many people of an organisation stand behind it, by one rule for platform and
trainer.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from federation.errors import Untrusted
from federation.plans.alike import confusable_skeleton, folded
from federation.protocol import envelope
from federation.protocol.documents import CodeReview, sign_document, verify_document
from federation.protocol.keys import PrivateKey, PublicKey

AHEAD_MAX = timedelta(hours=1)
"""How far the clock of the one who signs may be ahead: the newest word counts, one from the future would for long."""


def sign_review(review: CodeReview, key: PrivateKey) -> bytes:
    """The sealed review. Raises Untrusted ``review.other_key`` if the key is not the one that it names."""
    if review.signatory_key != key.public.encoded:
        raise Untrusted("review.other_key", "The review names another signatory key.")
    return sign_document(review, key)


def open_review(sealed: bytes, signatory: PublicKey) -> CodeReview:
    """Read a review that an organisation has signed.

    Raises Untrusted ``review.malformed`` for another kind of document, ``review.other_key`` where it names another key,
    and what ``verify_document`` raises.
    """
    if envelope.payload_type_of(sealed) != CodeReview.payload_type:
        raise Untrusted("review.malformed", "This is no review of code.")
    review = verify_document(CodeReview, sealed, [signatory])
    if review.signatory_key != signatory.encoded:
        raise Untrusted("review.other_key", "The review names another signatory key than the one that signed it.")
    return review


def same_reviewer(name: str) -> str:
    """A reviewer's name as it is compared: case, spaces and ways to write an accent make nobody another person."""
    return folded(name)


def _person(name: str) -> str:
    """A name without all by which one person could pass for two: what looks alike, and the order of its parts.

    It joins more than `same_reviewer` does, and more than people would: so it is for counting who approves, never for
    who takes a refusal back.
    """
    return " ".join(sorted(confusable_skeleton(name).split()))


def _rank(review: CodeReview) -> tuple[datetime, bool]:
    return review.reviewed_at, review.verdict == "refused"


def reviewers_of(reviews: Iterable[CodeReview], code_digest: str) -> int:
    """How many people of an organisation approve this code: by the newest word of each, and none while one of them
    refuses.

    Of two words of the same moment the refusal counts, in whatever order they come. Names that look alike are one
    person's, where they approve; a refusal is taken back under its own name only.
    """
    newest: dict[str, CodeReview] = {}
    for review in reviews:
        if review.code_digest != code_digest:
            continue
        name = same_reviewer(review.reviewer)
        if name not in newest or _rank(review) > _rank(newest[name]):
            newest[name] = review
    if any(review.verdict == "refused" for review in newest.values()):
        return 0
    return len({_person(name) for name in newest})
