"""Page: a model with its versions, one of them looked at closely, perhaps with another beside it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from accounts.access import signed_in
from accounts.permissions import Permission
from agreements.selectors import organisations_in
from consortia.selectors import permissions_of
from dashboards.job import figures, version_series
from dashboards.model.lineage import Graph, Source, graph
from dashboards.model.rows import at_silos, differences
from federation.tasks import tasks_that_train
from plans.selectors import plan_with
from registry.cards import card_of
from registry.models import Model, ModelVersion, Passport
from registry.permissions import access_model, access_version_to_confirm
from registry.release import confirm_release, release_of
from registry.retirement import retirement_of
from rest.errors import NotFound
from rest.figures import figure_written
from training.models import Job

PAGE_SIZE = 25
POINTS_DRAWN = 100


@require_safe
@login_required
def model(request: HttpRequest, model_id: UUID) -> HttpResponse:
    """A model. `?round=…` names the version that is looked at (else the best), `?with=…` one beside it."""
    user = signed_in(request)
    wanted = access_model(user, model_id)
    allowed = permissions_of(user, consortium=wanted.consortium)
    versions = wanted.versions.order_by("-round_number")
    best = versions.filter(is_best=True).first()
    shown = _named(wanted, request.GET.get("round")) or best or versions.first()
    beside = _named(wanted, request.GET.get("with"))
    job = Job.objects.defer("manifest").filter(model=wanted, task__in=tasks_that_train()).first()
    card = card_of(shown) if shown else None
    sources = _sources(job, card) if job and card else []
    context = {
        "model": wanted,
        "job": job,
        "best": best,
        "newest": versions.first(),
        "shown": shown,
        "beside": beside,
        "target": (target := wanted.target_kind),
        "best_by": target.metric(target.best_by),
        "differences": differences(shown, beside) if shown and beside else [],
        "at_silos": at_silos(job, shown, beside) if shown else [],
        "card": card,
        "plan": plan_with(wanted.consortium, wanted.code_digest),
        "sources": sources,
        "graph": _drawn(job, shown, sources) if job and shown else None,
        "charts": _charts(job) if job else [],
        "page": Paginator(versions, PAGE_SIZE).get_page(request.GET.get("page")),
        "retirement": (retirement := retirement_of(wanted)),
        "may_download": Permission.MODEL_DOWNLOAD in allowed and retirement is None,
        "has_passport": shown is not None and Passport.objects.filter(version=shown).exists(),
        "release": release_of(shown) if shown else None,
        "confirming": organisations_in(user, wanted.consortium, Permission.AGREEMENT_APPROVE).first(),
        "may_launch": Permission.JOB_LAUNCH in allowed and retirement is None,
    }
    return render(request, "registry/model.html", context)


@require_POST
@login_required
def confirm(request: HttpRequest, version_id: UUID) -> HttpResponse:
    """A member's steward lets a version be released."""
    user = signed_in(request)
    version, member_organisation = access_version_to_confirm(user, version_id)
    confirm_release(version=version, organisation=member_organisation, by=user)
    messages.success(request, _("Confirmed for %(organisation)s.") % {"organisation": member_organisation.name})
    return redirect(f"{reverse('model', args=[version.model_id])}?round={version.round_number}")


def _named(model: Model, number: str | None) -> ModelVersion | None:
    """The version after this round. Raises NotFound where there is none."""
    if not number:
        return None
    found = None
    if number.isascii() and number.isdigit() and len(number) < 9:
        found = model.versions.filter(round_number=int(number)).first()
    if found is None:
        raise NotFound.of("model version")
    return found


def _charts(job: Job) -> list[Any]:
    versions = version_series.versions_of(job, POINTS_DRAWN, silos_of_best=True)
    return [chart for chart in figures.convergences(job, versions, ()) if chart]


def _sources(job: Job, card: dict[str, Any]) -> list[Source]:
    """The data sets of the cohort; the card reports in the same order how many updates counted."""
    cohort_members = job.cohort_members.values_list("dataset_id", "dataset__title", "silo__name")
    return [
        Source(title, silo, one_report["updates_counted"], reverse("dataset", args=[dataset_id]))
        for (dataset_id, title, silo), one_report in zip(cohort_members, card["lineage"]["participants"], strict=True)
    ]


def _drawn(job: Job, shown: ModelVersion, sources: list[Source]) -> Graph:
    target = shown.model.target_kind
    metric = target.metric(target.primary)
    figure = shown.metrics.get(metric.name)
    number = shown.round_number
    return graph(
        sources,
        job=(job.name, reverse("job", args=[job.id])),
        rounds=ngettext("%(count)s round", "%(count)s rounds", number) % {"count": number},
        version=(
            _("Version %(number)s") % {"number": number},
            _("not evaluated")
            if figure is None
            else f"{_(metric.called or metric.name)} {figure_written(metric, figure)}",
        ),
    )
