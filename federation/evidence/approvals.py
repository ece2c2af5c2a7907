"""Custom code in a job's evidence: what each member has signed of it, and whether that was enough as the job began."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from federation.errors import Untrusted
from federation.evidence.bundle_parser import Evidence
from federation.evidence.report import Fault, Report, run_check
from federation.evidence.root_documents import RootDocuments
from federation.plans.reviews import AHEAD_MAX, open_review, reviewers_of
from federation.protocol.documents import CodeReview, read
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PublicKey


def check_reviews(evidence: Evidence, found: RootDocuments, report: Report) -> None:
    """Whether every organisation of the cohort approved the code of the manifest, by what it had signed when the job
    began.

    What an organisation signed later, also a refusal, says nothing of how the job began.
    """
    reviews = list(_opened(evidence, found, report))
    digest = found.manifest.code_digest
    if evidence.reviews:
        report.checked["code reviews"] = len(evidence.reviews)
    if digest is None:
        return
    needed = found.agreement.agreement.terms.code.reviewers
    for key, organisation in {member.signatory_key: member.organisation for member in found.manifest.cohort}.items():
        own = (review for review in reviews if review.signatory_key == key and _stood(review, found))
        count = reviewers_of(own, digest)
        if count < needed:
            message = f"{count} of {needed} people of {organisation} had approved the code when the job began."
            report.faults.append(Fault("code", "review.missing", message))


def _stood(review: CodeReview, found: RootDocuments) -> bool:
    """Whether it was there as the job began. The clock of who approves may have been ahead, as platforms let it be."""
    ahead = AHEAD_MAX if review.verdict == "approved" else AHEAD_MAX * 0
    return review.reviewed_at - found.manifest.created_at <= ahead


def _opened(evidence: Evidence, found: RootDocuments, report: Report) -> Iterator[CodeReview]:
    members = {member.signatory_key for member in found.agreement.agreement.terms.members}
    for name, sealed in evidence.reviews.items():
        where = f"review {name}"
        review = run_check(where, report, partial(_open, sealed, members))
        if review is None:
            continue
        if review.code_digest != found.manifest.code_digest:
            report.faults.append(Fault(where, "review.other_code", "It is of other code than the job's."))
        yield review


def _open(sealed: bytes, members: set[str]) -> CodeReview:
    document = read(CodeReview, payload_unverified(sealed)).signatory_key
    if document not in members:
        raise Untrusted("review.no_member", "It is signed by no member of the agreement.")
    return open_review(sealed, PublicKey.from_encoded(document))
