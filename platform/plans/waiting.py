"""The plans that wait for a steward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from accounts.models import Organisation, User
from accounts.permissions import Permission
from accounts.selectors import organisations_where
from agreements.models import AgreementVersion
from agreements.transitions import AgreementState
from consortia.models import Participation
from consortia.transitions import ParticipationState
from federation.plans.reviews import reviewers_of
from plans.models import CodeApproval, TrainingPlan, Verdict
from plans.review_status import keys_of, verified
from plans.selectors import digests_in

_NAMING = (AgreementState.PROPOSED, AgreementState.SIGNING, AgreementState.IN_FORCE)


@dataclass(frozen=True)
class ToReview:
    """A plan that waits for a steward: for their word in the browser, or for their organisation's signed review."""

    plan: TrainingPlan
    organisation: Organisation
    spoken: bool


def plans_waiting_for(user: User, most: int) -> list[ToReview]:
    """Plans that an agreement names, or that somebody put before the members, for who reviews code: six queries.

    A steward is asked for their word once; then, where an agreement names the plan, for the signed reviews.
    """
    mine = organisations_where(user, Permission.PLAN_REVIEW)
    taking_part = Participation.objects.filter(organisation__in=mine, state=ParticipationState.ACTIVE)
    places = list(taking_part.select_related("organisation"))
    if not places:
        return []
    consortia = {place.consortium_id for place in places}
    needed: dict[tuple[UUID, str], int] = {}
    for consortium, terms in AgreementVersion.objects.filter(consortium__in=consortia, state__in=_NAMING).values_list(
        "consortium_id", "terms"
    ):
        for digest in digests_in(terms):
            reviewers = int((terms.get("code") or {}).get("reviewers", 1))
            needed[consortium, digest] = max(reviewers, needed.get((consortium, digest), 0))
    asked = Q(proposed_at__isnull=False)
    for consortium, digest in needed:
        asked |= Q(consortium=consortium, digest=digest)
    rows = TrainingPlan.objects.filter(asked, consortium__in=consortia).select_related("consortium").defer("source")
    plans = list(rows[: most * 5])
    return _still_waiting(user, plans, places, needed)[:most]


def _still_waiting(
    user: User,
    plans: Sequence[TrainingPlan],
    places: Sequence[Participation],
    needed: Mapping[tuple[UUID, str], int],
) -> list[ToReview]:
    keys = keys_of({place.organisation_id for place in places})
    reviews = verified(plans, keys)
    words = {
        (word.plan_id, word.organisation_id): word.verdict
        for word in CodeApproval.objects.filter(user=user, plan__in=[plan.pk for plan in plans])
    }
    found = []
    for plan in plans:
        for place in places:
            if place.consortium_id != plan.consortium_id:
                continue
            signed = [one_report for _, one_report in reviews[plan.digest, place.organisation_id]]
            enough = reviewers_of(signed, plan.digest) >= needed.get((plan.consortium_id, plan.digest), 1)
            word = words.get((plan.pk, place.organisation_id))
            is_named = (plan.consortium_id, plan.digest) in needed
            if enough or any(one_report.verdict == "refused" for one_report in signed):
                continue
            if word is None or (word == Verdict.APPROVED and is_named):
                found.append(ToReview(plan, place.organisation, spoken=word is not None))
    return found
