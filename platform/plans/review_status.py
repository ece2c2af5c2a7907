"""How the members of a consortium stand to its plans: what stewards said, and what organisations signed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from accounts.models import Organisation, SignatoryKey
from accounts.transitions import SignatoryKeyState
from consortia.models import Consortium
from consortia.selectors import active_organisations
from federation.plans.reviews import reviewers_of, same_reviewer
from federation.protocol.documents import CodeReview
from federation.protocol.keys import PublicKey
from plans.agreement_status import Wording
from plans.models import CodeApproval, SignedReview, TrainingPlan, Verdict
from plans.signed_reviews import opened


def reviewers_at(digest: str, keys: Mapping[UUID, PublicKey]) -> dict[UUID, int]:
    """How many people of each organisation approve this code, by reviews that its key verifies: one query."""
    rows = SignedReview.objects.filter(code_digest=digest, organisation__in=list(keys)).order_by("reviewed_at")
    found: defaultdict[UUID, list[CodeReview]] = defaultdict(list)
    for organisation, sealed in rows.values_list("organisation_id", "envelope"):
        if (review := opened(bytes(sealed), keys[organisation])) is not None:
            found[organisation].append(review)
    return {member_organisation: reviewers_of(found[member_organisation], digest) for member_organisation in keys}


def keys_of(organisations: Iterable[UUID]) -> dict[UUID, PublicKey]:
    """The present signatory keys of organisations: one query."""
    rows = SignatoryKey.objects.filter(organisation__in=list(organisations), state=SignatoryKeyState.ACTIVE)
    return {row.organisation_id: row.key for row in rows}


@dataclass(frozen=True)
class OrganisationReviewRow:
    """A member of the consortium, and how it stands to a plan."""

    organisation: Organisation
    verdicts: tuple[CodeApproval, ...]
    """The newest of each of its stewards."""
    reviews: tuple[SignedReview, ...]
    """The newest of each reviewer that its present key has signed."""
    n_reviewers: int
    needed: int

    @property
    def refuses(self) -> bool:
        """Whether a signed review says no: then nobody else's yes counts."""
        return any(review.verdict == Verdict.REFUSED for review in self.reviews)

    @property
    def is_enough(self) -> bool:
        """Whether its silos may run the plan, as far as reviews go."""
        return self.n_reviewers >= self.needed

    @property
    def state(self) -> str:
        """A word for it: approved, refused, or what is still missing."""
        if self.refuses:
            return "refused"
        if self.is_enough:
            return "approved"
        if self.n_reviewers:
            return "partial"
        if any(word.verdict == Verdict.REFUSED for word in self.verdicts):
            return "refused_in_browser"
        return "approved_in_browser" if self.verdicts else "pending"


def organisation_review_rows(
    consortium: Consortium, plans: Sequence[TrainingPlan], wording: Wording
) -> dict[UUID, list[OrganisationReviewRow]]:
    """For each plan the members and how they stand to it, by name: four queries, however many plans."""
    organisations = list(active_organisations(consortium.pk).order_by("name"))
    keys = keys_of(organisation.pk for organisation in organisations)
    words: dict[tuple[UUID, UUID], dict[UUID, CodeApproval]] = defaultdict(dict)
    for word in CodeApproval.objects.filter(plan__in=[plan.pk for plan in plans]).select_related("user"):
        words[word.plan_id, word.organisation_id][word.user_id] = word
    reviews = verified(plans, keys)
    found = {}
    for plan in plans:
        needed = wording.of(plan).needed
        found[plan.pk] = [
            OrganisationReviewRow(
                organisation=member_organisation,
                verdicts=tuple(words[plan.pk, member_organisation.pk].values()),
                reviews=tuple(newest(row for row, _ in reviews[plan.digest, member_organisation.pk])),
                n_reviewers=reviewers_of(
                    (one_report for _, one_report in reviews[plan.digest, member_organisation.pk]), plan.digest
                ),
                needed=needed,
            )
            for member_organisation in organisations
        ]
    return found


def verified(
    plans: Sequence[TrainingPlan], keys: Mapping[UUID, PublicKey]
) -> defaultdict[tuple[str, UUID], list[tuple[SignedReview, CodeReview]]]:
    """The reviews of these plans that the present keys have signed, by hash and organisation, the oldest first."""
    found: defaultdict[tuple[str, UUID], list[tuple[SignedReview, CodeReview]]] = defaultdict(list)
    digests = {plan.digest for plan in plans}
    rows = SignedReview.objects.filter(code_digest__in=digests, organisation__in=list(keys)).order_by("reviewed_at")
    for row in rows:
        if (review := opened(bytes(row.envelope), keys[row.organisation_id])) is not None:
            found[row.code_digest, row.organisation_id].append((row, review))
    return found


def newest(reviews: Iterable[SignedReview]) -> list[SignedReview]:
    """The newest of each reviewer, given the oldest first."""
    return list({same_reviewer(review.reviewer): review for review in reviews}.values())
