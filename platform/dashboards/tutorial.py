"""Page: the REST API in five minutes, with the reader's own consortium and datasets in every line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.models import Scope, User
from accounts.permissions import Permission
from agreements.selectors import in_force
from agreements.wording import terms_of
from consortia.models import Consortium
from consortia.selectors import consortia_where
from consortia.transitions import ParticipationState
from dashboards import tutorial_steps
from federation.agreements.examples import purpose_within
from silos.models import Dataset
from silos.transitions import SiloState

DATASETS_MAX = 10
SCOPES = (Scope.CONSORTIA_READ, Scope.DATASETS_READ, Scope.JOBS_READ, Scope.JOBS_WRITE, Scope.MODELS_READ)


@dataclass(frozen=True)
class Example:
    """What the lines name: things of the reader's where there are any, else words in angle brackets."""

    consortium: Consortium | None
    datasets: tuple[Dataset, ...]

    @property
    def body(self) -> dict[str, Any]:
        """The job that is launched."""
        binary = not self.datasets or self.datasets[0].n_classes == 2
        return {
            "consortium": str(self.consortium.id) if self.consortium else "<consortium id>",
            "name": "My first federated model",
            "purpose": "Follow the tutorial",
            "use": self._use,
            "datasets": [str(one.id) for one in self.datasets] or ["<dataset id>", "<dataset id>"],
            "protection": {"mode": "clear"},
            "model": {"family": "logistic" if binary else "softmax"},
            "strategy": {"name": "fedavg"},
            "local": {"epochs": 1},
            "rounds": 3,
            "wait": "adaptive",
        }

    @property
    def _use(self) -> dict[str, Any]:
        """A purpose that the agreement in force allows, for the reader to replace by their own."""
        version = in_force(self.consortium) if self.consortium else None
        return purpose_within(terms_of(version).purposes) if version else {"category": "general_research"}


@require_safe
@login_required
def tutorial(request: HttpRequest) -> HttpResponse:
    """From a token to a model, as lines to copy."""
    example = _example_for(signed_in(request))
    context = {
        "example": example,
        "scopes": SCOPES,
        "steps": tutorial_steps.steps(f"{settings.PUBLIC_URL}/api/v1", example.body),
    }
    return render(request, "rest/tutorial.html", context)


def _example_for(user: User) -> Example:
    """The first consortium in which the reader may launch something, with datasets that can train together."""
    mine = consortia_where(user, Permission.JOB_LAUNCH)
    offered = Dataset.objects.filter(withdrawn_at=None, silo__state=SiloState.ACTIVE).defer("declaration")
    taking_part = {"silo__organisation__participations__state": ParticipationState.ACTIVE}
    first = (
        offered.filter(silo__organisation__participations__consortium__in=mine, **taking_part)
        .order_by("silo__organisation__participations__consortium__name", "name")
        .values_list("silo__organisation__participations__consortium", "schema_digest")
        .first()
    )
    if first is None:
        return Example(mine.order_by("name").first(), ())
    alike = offered.filter(
        silo__organisation__participations__consortium=first[0], schema_digest=first[1], **taking_part
    )
    by_silo = {one.silo_id: one for one in alike.order_by("silo__name")[: 2 * DATASETS_MAX]}
    return Example(mine.get(pk=first[0]), tuple(by_silo.values())[:DATASETS_MAX])
