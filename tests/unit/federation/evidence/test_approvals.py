"""Custom code in a job's evidence: every organisation of the cohort had approved it, by its own signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import Entry
from federation.evidence.report import Report
from federation.evidence.verification import verify_evidence
from federation.plans.reviews import sign_review
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import CodeReview
from federation.protocol.keys import PrivateKey
from tests.support.decision_cases import NOW
from tests.support.evidence import Played

CODE = digest_bytes(b"a plan")
ONE = Played(silos=3, rounds=1, code=CODE)
TWO = Played(silos=3, rounds=1, code=CODE, reviewers=2)


def report_of(played: Played, *reviews: Entry) -> Report:
    """What a bundle with these reviews comes to."""
    return verify_evidence(gather([*played.entries(rounds=1), *reviews]))


def codes(report: Report) -> list[tuple[str, str]]:
    """Where something is wrong, and what."""
    return [(fault.where, fault.code) for fault in report.faults]


def all_but(played: Played, *changed: Entry) -> list[Entry]:
    """An approval of each organisation, but for the last organisations these."""
    return [*(played.review(place, place) for place in range(3 - len(changed))), *changed]


def test_a_job_whose_code_every_organisation_approved_holds() -> None:
    report = report_of(ONE, *all_but(ONE))
    assert report.holds, report.faults
    assert report.checked["code reviews"] == 3


def test_without_its_reviews_a_job_with_code_does_not_hold() -> None:
    assert codes(report_of(ONE)) == [("code", "review.missing")] * 3
    report = report_of(ONE, *all_but(ONE)[:2])
    assert codes(report) == [("code", "review.missing")]
    assert "0 of 1 people of Hospital 3" in report.faults[0].what


def test_evidence_needs_two_reviewers_where_the_agreement_says_so() -> None:
    assert codes(report_of(TWO, *all_but(TWO))) == [("code", "review.missing")] * 3
    again = [TWO.review(place + 3, place, reviewer="RITA  reader") for place in range(3)]
    assert codes(report_of(TWO, *all_but(TWO), *again)) == [("code", "review.missing")] * 3
    others = [TWO.review(place + 3, place, reviewer="Paul Second") for place in range(3)]
    assert report_of(TWO, *all_but(TWO), *others).holds


def test_what_was_said_when_the_job_began_counts() -> None:
    later, missing = NOW + timedelta(hours=2), [("code", "review.missing")]
    assert codes(report_of(ONE, *all_but(ONE, ONE.review(2, 2, reviewed_at=later)))) == missing
    assert codes(report_of(ONE, *all_but(ONE, ONE.review(2, 2, verdict="refused")))) == missing
    refused_later = ONE.review(3, 2, verdict="refused", reviewed_at=NOW + timedelta(minutes=1))
    assert report_of(ONE, *all_but(ONE), refused_later).holds
    ahead = ONE.review(2, 2, reviewed_at=NOW + timedelta(minutes=30))
    assert report_of(ONE, *all_but(ONE, ahead)).holds, "its reviewer's clock was ahead"


def test_an_organisation_approves_by_its_own_key_and_of_this_code_only() -> None:
    stranger = PrivateKey.generate()
    outsider = CodeReview(
        code_digest=CODE,
        signatory_key=stranger.public.encoded,
        reviewer="Rita Reader",
        verdict="approved",
        reviewed_at=NOW - timedelta(days=1),
    )
    forged = ONE.signatories[2].public.encoded
    for content, code in (
        (sign_review(outsider, stranger), "review.no_member"),
        (ONE.review(2, 2).content.replace(b"keyid", b"keyed"), "envelope.malformed"),
        (sign_review_as(outsider, forged, stranger), "signature.invalid"),
        (ONE.sealed_manifest, "document.malformed"),
    ):
        found = codes(report_of(ONE, *all_but(ONE, Entry("review/2", content))))
        assert found == [("review 2", code), ("code", "review.missing")]
    other = ONE.review(2, 2, code_digest=digest_bytes(b"another plan"))
    found = codes(report_of(ONE, *all_but(ONE, other)))
    assert found == [("review 2", "review.other_code"), ("code", "review.missing")]
    borrowed = replace(ONE.review(1, 1), name="review/2")
    assert codes(report_of(ONE, *all_but(ONE, borrowed))) == [("code", "review.missing")]


def sign_review_as(review: CodeReview, named: str, key: PrivateKey) -> bytes:
    """A review that names somebody's key and is signed with another."""
    from federation.protocol import documents

    return documents.sign_document(review.model_copy(update={"signatory_key": named}), key)


def test_a_job_without_code_has_no_use_for_reviews() -> None:
    plain = Played(silos=3, rounds=1)
    review = replace(ONE.review(0, 0), name="review/0")
    assert codes(report_of(plain, review)) == [("review 0", "review.no_member")]
