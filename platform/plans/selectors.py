"""What there is to know of plans: which there are, which an agreement names, and what was said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import Organisation, User
from agreements.selectors import in_force
from consortia.models import Consortium, Participation
from consortia.selectors import active_organisations, consortia_visible_to
from consortia.transitions import ParticipationState
from plans.models import CodeApproval, SignedReview, TrainingPlan, Verdict

FAMILY = "plan"
"""The family of models that training plans compute."""


def plans_visible_to(user: User) -> QuerySet[TrainingPlan]:
    """Those of the consortia that one sees."""
    visible = TrainingPlan.objects.filter(consortium__in=consortia_visible_to(user))
    return visible.select_related("consortium", "uploaded_by", "proposed_by")


def plans_of(consortium: Consortium) -> QuerySet[TrainingPlan]:
    """All of a consortium's, the newest first, without their source."""
    return TrainingPlan.objects.filter(consortium=consortium).select_related("uploaded_by").defer("source")


def plan_with(consortium: Consortium | UUID, digest: str) -> TrainingPlan | None:
    """The consortium's plan of this hash, without its source."""
    return TrainingPlan.objects.filter(consortium=consortium, digest=digest).defer("source").first() if digest else None


def plans_named(consortium: Consortium) -> list[TrainingPlan]:
    """Those with which a job may be launched now: the agreement in force names them, and their family."""
    version = in_force(consortium)
    if version is None or not runs_plans(version.terms):
        return []
    return list(plans_of(consortium).filter(digest__in=digests_in(version.terms)))


def plans_of_organisation(member_organisation: Organisation, digest: str) -> QuerySet[TrainingPlan]:
    """The plans of this hash in the consortia in which an organisation takes part."""
    places = Participation.objects.filter(organisation=member_organisation, state=ParticipationState.ACTIVE).values(
        "consortium"
    )
    return TrainingPlan.objects.filter(digest=digest, consortium__in=places).defer("source")


def digests_in(terms: Mapping[str, Any]) -> list[str]:
    """The hashes of code that terms allow."""
    return [str(digest) for digest in (terms.get("code") or {}).get("digests", ())]


def runs_plans(terms: Mapping[str, Any]) -> bool:
    """Whether terms let plans run at all, as a family of models."""
    return FAMILY in (terms.get("training_limits") or {}).get("families", ())


def verdict_of(user: User, plan: TrainingPlan, member_organisation: Organisation) -> CodeApproval | None:
    """A person's newest word on a plan."""
    return (
        CodeApproval.objects.filter(plan=plan, organisation=member_organisation, user=user).order_by("at", "id").last()
    )


def reviews_of(plan: TrainingPlan) -> QuerySet[SignedReview]:
    """Every signed review of this file by organisations that take part in the plan's consortium."""
    rows = SignedReview.objects.filter(
        code_digest=plan.digest, organisation__in=active_organisations(plan.consortium_id)
    )
    return rows.select_related("organisation").order_by("organisation__name", "reviewed_at", "id")


def approved_last(plan: TrainingPlan, organisations: Sequence[Organisation]) -> TrainingPlan | None:
    """The other plan of the consortium that one of these organisations approved last; None where there is none."""
    rows = TrainingPlan.objects.filter(consortium=plan.consortium_id).exclude(pk=plan.pk).defer("source")
    others = {one.digest: one for one in rows}
    signed = SignedReview.objects.filter(
        organisation__in=organisations, code_digest__in=others, verdict=Verdict.APPROVED
    )
    spoken = CodeApproval.objects.filter(
        organisation__in=organisations, plan__in=[one.pk for one in others.values()], verdict=Verdict.APPROVED
    )
    moments = [*signed.values_list("reviewed_at", "code_digest"), *spoken.values_list("at", "plan__digest")]
    return others[max(moments)[1]] if moments else None
