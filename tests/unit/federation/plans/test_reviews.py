"""How many people of an organisation stand behind a plan, and whose word that is."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from federation.errors import FederationError, Untrusted
from federation.plans.reviews import open_review, reviewers_of, same_reviewer, sign_review
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import AuditCheckpoint, CodeReview, sign_document
from federation.protocol.keys import PrivateKey
from tests.support.every import every

KEY, OTHER = PrivateKey.generate(), PrivateKey.generate()
CODE = digest_bytes(b"a plan")
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def review(reviewer: str = "Ada", verdict: str = "approved", day: int = 0, **changes: Any) -> CodeReview:
    content = {
        "code_digest": CODE,
        "signatory_key": KEY.public.encoded,
        "reviewer": reviewer,
        "verdict": verdict,
        "reviewed_at": MOMENT + timedelta(days=day),
    }
    return CodeReview.model_validate(content | changes)


def test_what_was_signed_is_read_again() -> None:
    statement = review(note="Read it twice.")
    assert open_review(sign_review(statement, KEY), KEY.public) == statement


def test_another_key_signs_and_opens_nothing() -> None:
    with pytest.raises(Untrusted, match=r"review\.other_key"):
        sign_review(review(), OTHER)
    with pytest.raises(FederationError):
        open_review(sign_review(review(), KEY), OTHER.public)
    with pytest.raises(Untrusted, match=r"review\.other_key"):
        open_review(sign_document(review(signatory_key=OTHER.public.encoded), KEY), KEY.public)
    with pytest.raises(FederationError):
        open_review(sign_document(review(), OTHER), KEY.public)


def test_another_document_is_no_review() -> None:
    checkpoint = AuditCheckpoint.model_construct(protocol="1.0", chain="x", position=1, digest=CODE, made_at=MOMENT)
    with pytest.raises(Untrusted, match=r"review\.malformed"):
        open_review(sign_document(checkpoint, KEY), KEY.public)


@pytest.mark.parametrize(
    ("reviews", "count"),
    [
        ([], 0),
        ([review()], 1),
        ([review(code_digest=digest_bytes(b"another"))], 0),
        ([review(), review("Bob")], 2),
        ([review(), review(day=1)], 1),
        ([review("Ada"), review("  ADA ")], 1),
        ([review("Zoë  Müller"), review("zoe\u0308 mu\u0308ller")], 1),
        ([review(), review(verdict="refused", day=1)], 0),
        ([review(verdict="refused"), review(day=1)], 1),
        ([review(), review("Bob", "refused")], 0),
        ([review(), review("Bob", "refused"), review("Bob", day=2)], 2),
        ([review(), review(verdict="refused")], 0),
        ([review("Ada"), review("Bob", "refused", code_digest=digest_bytes(b"another"))], 1),
    ],
)
def test_the_newest_verdict_of_each_counts_in_whatever_order_they_come(reviews: list[CodeReview], count: int) -> None:
    for order in every(itertools.permutations(reviews)):
        assert reviewers_of(order, CODE) == count


@pytest.mark.parametrize(
    "another",
    [
        *("Ada Love\u200blace", "Ada\u2060 Lovelace", "Ada Lovelace\u3164", "Ada\ufe0f Lovelace"),
        *("\u0410da Lovelace", "Ada L\u043evelace", "\u0391da Lovelac\u03b5", "Ada L0velace", "Ada Loveiace"),
        *("Lovelace, Ada", "Ada-Lovelace", "\u00c1da Lovelace", "\u1d00da Lovelace".replace("\u1d00", "\uff21")),
    ],
)
def test_one_person_is_not_two_by_another_way_to_write_the_name(another: str) -> None:
    assert reviewers_of([review("Ada Lovelace"), review(another)], CODE) == 1


def test_a_refusal_is_taken_back_by_nobody_whose_name_only_looks_alike() -> None:
    rows = [review("Ada", "refused"), review("\u0410da", day=1)]
    assert reviewers_of(rows, CODE) == 0
    assert reviewers_of([*rows, review("Ada", day=2)], CODE) == 1


def test_names_in_any_script_are_people() -> None:
    names = ("\u0418\u0432\u0430\u043d", "\u039d\u03af\u03ba\u03bf\u03c2", "\u674e\u660e", "Ivan", "!")
    assert reviewers_of([review(name) for name in names], CODE) == len(names)


def test_names_are_compared_as_people_would() -> None:
    assert same_reviewer("Ａda  LOVELACE\n") == "ada lovelace"
    assert same_reviewer("Strauß") == same_reviewer("STRAUSS")
    assert same_reviewer("Ada") != same_reviewer("Bob")
