"""Pages: the launch form, for training and for evaluating a stored model."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from accounts.models import User
from accounts.permissions import Permission
from consortia.access import access_consortium
from consortia.models import Consortium
from consortia.permissions import require
from federation.errors import FederationError
from registry.permissions import access_version
from rest.errors import Forbidden, NotFound
from silos import selectors
from silos.models import Dataset
from silos.transitions import SiloState
from training.actions.launch import launch
from training.forms import CohortForm, TrainingForm
from training.quotes import Quote, quote
from training.requests import read_request


@login_required
def launch_training(request: HttpRequest, consortium_id: UUID) -> HttpResponse:
    """Launch a training job."""
    user = signed_in(request)
    consortium = access_consortium(user, consortium_id)
    require(user, Permission.JOB_LAUNCH, consortium=consortium)
    datasets = _on_offer(user, consortium)
    form = TrainingForm(request.POST or None, datasets=datasets)
    return _answer(request, user, consortium, form, datasets, {})


@login_required
def launch_evaluation(request: HttpRequest, version_id: UUID) -> HttpResponse:
    """Launch the evaluation of a stored model."""
    user = signed_in(request)
    version = access_version(user, version_id)
    consortium = version.model.consortium
    require(user, Permission.JOB_LAUNCH, consortium=consortium)
    datasets = _on_offer(user, consortium)
    name = f"Evaluation of {version.model.name}, round {version.round_number}"
    form = CohortForm(request.POST or None, datasets=datasets, initial={"name": name[:200]})
    return _answer(request, user, consortium, form, datasets, {"model_version": str(version.id)})


def _answer(
    request: HttpRequest,
    user: User,
    consortium: Consortium,
    form: CohortForm,
    datasets: list[Dataset],
    more: dict[str, Any],
) -> HttpResponse:
    """The form, with a quote where one was asked for; or the job's page once it is launched."""
    told: Quote | None = None
    if request.method == "POST":
        complete = form.is_valid()
        asked = form.request() | more
        try:
            if not complete:
                read_request(asked)  # for what else is wrong: everything is told at once
            elif "quote" not in request.POST:
                return redirect("job", launch(consortium=consortium, request=asked, by=user).id)
            else:
                told = quote(consortium=consortium, request=asked)
        except (Forbidden, NotFound):
            raise
        except FederationError as error:
            form.take(error)
    chosen = set(request.POST.getlist("datasets"))
    context = {
        "consortium": consortium,
        "form": form,
        "datasets": [(dataset, str(dataset.id) in chosen) for dataset in datasets],
        "quote": told,
    }
    return render(request, "training/launch.html", context, status=422 if form.errors else 200)


def _on_offer(user: User, consortium: Consortium) -> list[Dataset]:
    """What a job of this consortium may name now."""
    offered = selectors.datasets_visible_to(user).filter(
        withdrawn_at=None, silo__state=SiloState.ACTIVE, silo__in=selectors.silos_of(consortium)
    )
    return list(offered.order_by("schema_digest", "silo__organisation__name", "title"))
