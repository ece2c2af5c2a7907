"""Pages to read: the training plans of a consortium, and one plan with its source. Thin."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.models import User
from accounts.permissions import Permission
from accounts.second_factor.requirements import has_second_factor
from accounts.selectors import organisations_of
from consortia.access import access_consortium
from dashboards.consortium.views import frame
from dashboards.plan.rows import commands_for, offered_data, own_parts, plan_rows, tensors_of
from dashboards.plan.source import differences, highlighted
from plans.agreement_status import wording_of
from plans.api.plans import reviews_answer, source_answer
from plans.forms import ReviewForm, SignedReviewForm
from plans.models import TrainingPlan
from plans.permissions import access_plan
from plans.review_status import organisation_review_rows
from plans.selectors import approved_last, plans_of
from rest.errors import NotFound
from silos.models import Dataset


@require_safe
@login_required
def overview(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """The plans, and how the members stand to each."""
    user = signed_in(request)
    wanted = access_consortium(user, consortium_id, Permission.PLAN_VIEW)
    plans = list(plans_of(wanted))
    wording = wording_of(wanted)
    context = {
        **frame(wanted, user, "plans"),
        "rows": plan_rows(plans, wording, organisation_review_rows(wanted, plans, wording)),
    }
    return render(request, "dashboards/plan/overview.html", context)


@require_safe
@login_required
def plan(request: HttpRequest, plan_id: UUID) -> HttpResponse:
    """One plan: `?dataset=` counts its parameters for those data, `?with=` compares it with another plan."""
    return plan_page(request, access_plan(signed_in(request), plan_id))


def plan_page(
    request: HttpRequest,
    wanted: TrainingPlan,
    *,
    review_form: ReviewForm | None = None,
    signed_form: SignedReviewForm | None = None,
) -> HttpResponse:
    """The page, with a form that was refused as it was filled in."""
    user = signed_in(request)
    wording = wording_of(wanted.consortium)
    organisations = organisation_review_rows(wanted.consortium, [wanted], wording)[wanted.pk]
    datasets = offered_data(user, wanted.consortium)
    dataset = _chosen(datasets, request.GET.get("dataset", ""))
    before, by_own_organisation = _before(request, user, wanted)
    context = {
        **plan_frame(wanted, user),
        "naming": wording.of(wanted),
        "organisations": organisations,
        "own": own_parts(user, wanted.consortium, organisations),
        "datasets": datasets,
        "dataset": dataset,
        "tensors": tensors_of(wanted, dataset),
        "lines": highlighted(wanted.text),
        "before": before,
        "by_own_organisation": by_own_organisation,
        "others": plans_of(wanted.consortium).exclude(pk=wanted.pk),
        "differences": differences(before.text, wanted.text) if before else (),
        "commands": commands_for(wanted),
        "review_form": review_form
        or ReviewForm(by_code=has_second_factor(user), initial={"seen_digest": wanted.digest}),
        "signed_form": signed_form or SignedReviewForm(),
    }
    return render(request, "dashboards/plan/plan.html", context, status=422 if review_form or signed_form else 200)


def plan_frame(wanted: TrainingPlan, user: User) -> dict[str, Any]:
    """What every page about a plan has."""
    return {**frame(wanted.consortium, user, "plans"), "plan": wanted}


def _chosen(datasets: list[Dataset], wanted: str) -> Dataset | None:
    """The data set that was asked for, else the first. Raises NotFound for one that is not offered."""
    if not wanted:
        return datasets[0] if datasets else None
    found = next((dataset for dataset in datasets if str(dataset.pk) == wanted), None)
    if found is None:
        raise NotFound.of("dataset")
    return found


def _before(request: HttpRequest, user: User, wanted: TrainingPlan) -> tuple[TrainingPlan | None, bool]:
    """What the plan is compared with, and whether because the reader's organisation approved that last."""
    if other := request.GET.get("with"):
        try:
            found = plans_of(wanted.consortium).filter(pk=UUID(other)).exclude(pk=wanted.pk).first()
        except ValueError:
            found = None
        if found is None:
            raise NotFound.of("plan")
        return found, False
    return approved_last(wanted, list(organisations_of(user))), True


@require_safe
@login_required
def source(request: HttpRequest, plan_id: UUID) -> HttpResponse:
    """The file as it was uploaded."""
    return source_answer(access_plan(signed_in(request), plan_id))


@require_safe
@login_required
def reviews(request: HttpRequest, plan_id: UUID) -> HttpResponse:
    """The signed reviews as a file."""
    return reviews_answer(access_plan(signed_in(request), plan_id))
