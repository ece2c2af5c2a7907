"""Pages: the launch form, for training and for evaluating a stored model, and what it comes to while one types."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import signed_in
from accounts.models import User
from accounts.permissions import Permission
from agreements.selectors import in_force
from consortia.access import access_consortium
from consortia.models import Consortium
from consortia.permissions import require
from federation.errors import FederationError
from federation.tasks import task_of
from plans.selectors import FAMILY, plans_named
from registry.models import ModelVersion
from registry.permissions import access_version
from rest.errors import Forbidden, NotFound
from silos import selectors
from silos.capabilities import lacks
from silos.models import Dataset
from silos.transitions import SiloState
from training.launch.actions import launch
from training.launch.agreed_defaults import clear_reason_of, form_defaults
from training.launch.eligibility import Reason
from training.launch.forms import PLAN_FIELD, CohortForm, StatisticsForm, TrainingForm
from training.launch.prefill import form_initial_from
from training.launch.preview import preview
from training.launch.requests import read_request
from training.launch.statistics import poolable_columns
from training.models import Job
from training.permissions import access_job


@dataclass(frozen=True)
class LaunchContext:
    """Where somebody fills in a launch form: who, for which consortium, over what is on offer."""

    user: User
    consortium: Consortium
    datasets: list[Dataset]
    form: CohortForm
    preview_url: str
    version: ModelVersion | None = None
    again: Job | None = None

    @property
    def more(self) -> dict[str, Any]:
        """What the address says of the job, and no field."""
        return {"model_version": str(self.version.id)} if self.version else {}

    @property
    def gone(self) -> int:
        """How many datasets of the earlier job are not on offer any more."""
        offered = {str(dataset.id) for dataset in self.datasets}
        return sum(one not in offered for one in self.again.request["datasets"]) if self.again else 0


@login_required
def launch_training(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """Launch a training job; `?from=` fills in what an earlier one said."""
    return _answer(request, _training_context(request, consortium_id))


@login_required
def launch_evaluation(request: HttpRequest, version_id: UUID) -> HttpResponse:
    """Launch the evaluation of a stored model."""
    return _answer(request, _evaluation_context(request, version_id))


@login_required
def launch_statistics(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """Ask for statistics; `?dataset=` proposes this dataset and those of its schema."""
    return _answer(request, _statistics_context(request, consortium_id))


@require_POST
@login_required
def preview_statistics(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """What such a form comes to, as it is filled in now."""
    return _preview(request, _statistics_context(request, consortium_id))


@require_POST
@login_required
def preview_training(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """The part of the page that reports what the form comes to, as it is filled in now."""
    return _preview(request, _training_context(request, consortium_id))


@require_POST
@login_required
def preview_evaluation(request: HttpRequest, version_id: UUID) -> HttpResponse:
    """Likewise for an evaluation."""
    return _preview(request, _evaluation_context(request, version_id))


def _training_context(request: HttpRequest, consortium_id: UUID) -> LaunchContext:
    user = signed_in(request)
    consortium = access_consortium(user, consortium_id, Permission.JOB_LAUNCH)
    datasets, again = _on_offer(user, consortium), None
    initial = form_defaults(in_force(consortium))
    if wanted := request.GET.get("from"):
        again = access_job(user, wanted)
        if again.consortium_id != consortium.id or not task_of(again.task).trains:
            raise NotFound.of("job")
        initial = form_initial_from(again.request, [str(dataset.id) for dataset in datasets])
    plans = plans_named(consortium)
    if (named := request.GET.get("plan")) in {plan.digest for plan in plans}:
        initial |= {"model": FAMILY, PLAN_FIELD: named}
    form = TrainingForm(request.POST or None, datasets=datasets, initial=initial, plans=plans)
    return LaunchContext(
        user, consortium, datasets, form, reverse("job-launch-preview", args=[consortium.id]), again=again
    )


def _statistics_context(request: HttpRequest, consortium_id: UUID) -> LaunchContext:
    user = signed_in(request)
    consortium = access_consortium(user, consortium_id, Permission.JOB_LAUNCH)
    datasets = _on_offer(user, consortium, with_declarations=True)
    initial = form_defaults(in_force(consortium)) | {"name": _("Statistics")}
    named = next((one for one in datasets if str(one.id) == request.GET.get("dataset")), None)
    if named is not None:
        of_its_silo = [one for one in datasets if one.schema_digest == named.schema_digest]
        others = {one.silo_id: one for one in reversed(of_its_silo)} | {named.silo_id: named}
        initial |= {"datasets": [str(one.id) for one in others.values()], "name": named.name}
        initial |= {"columns": list(poolable_columns(list(others.values())))}
    form = StatisticsForm(request.POST or None, datasets=datasets, initial=initial)
    return LaunchContext(
        user, consortium, datasets, form, reverse("job-launch-statistics-preview", args=[consortium.id])
    )


def _evaluation_context(request: HttpRequest, version_id: UUID) -> LaunchContext:
    user = signed_in(request)
    version = access_version(user, version_id)
    consortium = version.model.consortium
    require(user, Permission.JOB_LAUNCH, consortium=consortium)
    datasets = _on_offer(user, consortium)
    name = _("Evaluation of %(model)s, round %(round)s") % {
        "model": version.model.name,
        "round": version.round_number,
    }
    form = CohortForm(
        request.POST or None, datasets=datasets, initial=form_defaults(in_force(consortium)) | {"name": name[:200]}
    )
    return LaunchContext(user, consortium, datasets, form, reverse("job-evaluate-preview", args=[version.id]), version)


def _answer(request: HttpRequest, launch_context: LaunchContext) -> HttpResponse:
    """The form with what it comes to; or the job's page once it is launched."""
    form = launch_context.form
    if request.method == "POST" and "quote" not in request.POST:
        complete = form.is_valid()
        asked = form.request() | launch_context.more
        try:
            if complete:
                return redirect(
                    "job", launch(consortium=launch_context.consortium, request=asked, by=launch_context.user).id
                )
            read_request(asked)  # for what else is wrong: everything is reported at once
        except (Forbidden, NotFound):
            raise
        except FederationError as error:
            form.take(error)
    chosen = form.chosen_datasets()
    context = {
        "consortium": launch_context.consortium,
        "clear_reason": clear_reason_of(in_force(launch_context.consortium)),
        "form": form,
        "again": launch_context.again,
        "gone": launch_context.gone,
        "groups": _by_schema(launch_context, chosen),
        "preview_url": launch_context.preview_url,
        "preview": _weighed(launch_context, form if request.method == "POST" else form.as_it_stands()),
        "sent": request.method == "POST",
    }
    return render(request, "training/launch.html", context, status=422 if form.errors else 200)


def _preview(request: HttpRequest, launch_context: LaunchContext) -> HttpResponse:
    context = {
        "preview": _weighed(launch_context, launch_context.form),
        "form": launch_context.form,
        "sent": True,
        "fragment": True,
    }
    return render(request, "training/_preview.html", context)


def _weighed(context: LaunchContext, form: CohortForm) -> Any:
    return preview(
        consortium=context.consortium, form=form, datasets=context.datasets, version=context.version, by=context.user
    )


def _on_offer(user: User, consortium: Consortium, *, with_declarations: bool = False) -> list[Dataset]:
    """What a job of this consortium may name now."""
    offered = selectors.datasets_visible_to(user).filter(
        withdrawn_at=None, silo__state=SiloState.ACTIVE, silo__in=selectors.silos_of(consortium)
    )
    ordered = offered.order_by("name", "schema_digest", "silo__organisation__name", "title")
    unread = ("registration", "silo__statement", "silo__certificate")
    return list(ordered.defer(*unread) if with_declarations else ordered.defer("declaration", *unread))


@dataclass(frozen=True)
class OfferedRow:
    """A dataset on offer: whether it is ticked, and why its silo's connector can't do the job as it stands."""

    dataset: Dataset
    chosen: bool
    lacks: tuple[Reason, ...]


def _by_schema(context: LaunchContext, chosen: set[str]) -> list[tuple[Dataset, list[OfferedRow]]]:
    """The datasets that can train together, group by group: each with its first, and with what is ticked."""
    needs = context.form.needs()
    if context.version is not None:
        needs = replace(needs, family=str(context.version.model.specification.get("family")))
    groups: dict[str, list[OfferedRow]] = {}
    for dataset in context.datasets:
        found = lacks(dataset.silo, replace(needs, target=dataset.target_kind.name))
        row = OfferedRow(dataset, str(dataset.id) in chosen, tuple(map(Reason.of, found)))
        groups.setdefault(dataset.schema_digest, []).append(row)
    return [(rows[0].dataset, rows) for rows in groups.values()]
