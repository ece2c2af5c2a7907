"""Page: the REST API in five minutes, with the reader's own consortium and datasets in every line."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.models import Scope, User
from accounts.permissions import Permission
from agreements.selectors import in_force
from agreements.terms import terms_of
from consortia.models import Consortium
from consortia.selectors import consortia_where
from consortia.transitions import ParticipationState
from dashboards import tutorial_steps
from federation.agreements.examples import purpose_within
from federation.protection.clear import MODE as CLEAR
from silos.models import Dataset
from silos.transitions import SiloState

DATASETS_MAX = 10
CHOICES_MAX = 200
SCOPES = (Scope.CONSORTIA_READ, Scope.DATASETS_READ, Scope.JOBS_READ, Scope.JOBS_WRITE, Scope.MODELS_READ)

_FAMILY_FOR = {"binary": "logistic", "real": "linear"}
"""The plainest kind of model for a target."""


@dataclass(frozen=True)
class Example:
    """What the lines name: things of the reader's where there are any, else words in angle brackets."""

    consortium: Consortium | None
    datasets: tuple[Dataset, ...]

    @property
    def body(self) -> dict[str, Any]:
        """The job that is launched."""
        return {
            "consortium": str(self.consortium.id) if self.consortium else "<consortium id>",
            "name": "My first federated model",
            "purpose": "Follow the tutorial",
            "use": self._use,
            "datasets": [str(one.id) for one in self.datasets] or ["<dataset id>", "<dataset id>"],
            "protection": {"mode": CLEAR.name},
            "model": {"family": _FAMILY_FOR.get(self._target, "softmax")},
            "strategy": {"name": "fedavg"},
            "local": {"epochs": 1},
            "rounds": 3,
            "wait": "adaptive",
        }

    @property
    def _target(self) -> str:
        """What the data hold that are named."""
        return self.datasets[0].target_kind.name if self.datasets else "binary"

    @property
    def _use(self) -> dict[str, Any]:
        """A purpose that the agreement in force allows, for the reader to replace by their own."""
        version = in_force(self.consortium) if self.consortium else None
        return purpose_within(terms_of(version).purposes) if version else {"category": "general_research"}


@dataclass(frozen=True)
class Group:
    """Datasets of one consortium that can train together; which of them the lines name."""

    consortium: Consortium
    datasets: tuple[Dataset, ...]
    chosen: frozenset[UUID] = frozenset()

    @property
    def example(self) -> Example:
        """The lines for what is chosen: one dataset of each silo."""
        by_silo = {one.silo_id: one for one in reversed(self.datasets) if one.pk in self.chosen}
        return Example(self.consortium, tuple(reversed(by_silo.values()))[:DATASETS_MAX])

    @property
    def rows(self) -> list[tuple[Dataset, bool]]:
        """Each dataset, and whether the lines name it."""
        named = {one.pk for one in self.example.datasets}
        return [(one, one.pk in named) for one in self.datasets]


@require_safe
@login_required
def tutorial(request: HttpRequest) -> HttpResponse:
    """From a token to a model, as lines to copy, for the datasets that the reader chooses."""
    user = signed_in(request)
    groups = _groups_for(user)
    asked = frozenset(request.GET.getlist("datasets"))
    place = next((number for number, group in enumerate(groups) if _chosen(group, asked, request)), 0)
    if groups:
        group = groups[place]
        chosen = _chosen(group, asked, request) or frozenset(one.pk for one in group.datasets)
        groups[place] = replace(group, chosen=chosen)
        example = groups[place].example
    else:
        example = Example(consortia_where(user, Permission.JOB_LAUNCH).order_by("name").first(), ())
    context = {
        "example": example,
        "groups": groups,
        "scopes": SCOPES,
        "steps": tutorial_steps.steps(f"{settings.PUBLIC_URL}/api/v1", example.body),
    }
    return render(request, "rest/tutorial.html", context)


def _chosen(group: Group, asked: frozenset[str], request: HttpRequest) -> frozenset[UUID]:
    """Which of a group's datasets the address asks for."""
    if request.GET.get("consortium", str(group.consortium.pk)) != str(group.consortium.pk):
        return frozenset()
    return frozenset(one.pk for one in group.datasets if str(one.pk) in asked)


def _groups_for(user: User) -> list[Group]:
    """What the reader may launch something on: by consortium, and by what can train together."""
    mine = consortia_where(user, Permission.JOB_LAUNCH)
    offered = Dataset.objects.filter(withdrawn_at=None, silo__state=SiloState.ACTIVE)
    taking_part = {"silo__organisation__participations__state": ParticipationState.ACTIVE}
    consortium = "silo__organisation__participations__consortium"
    found = list(
        offered.filter(**{f"{consortium}__in": mine}, **taking_part)
        .order_by(f"{consortium}__name", "name", "schema_digest", "silo__name")
        .values_list(consortium, "schema_digest", "pk")[:CHOICES_MAX]
    )
    datasets = Dataset.objects.select_related("silo__organisation").defer("declaration", "registration")
    by_id = datasets.in_bulk([dataset for _, _, dataset in found])
    consortia = mine.in_bulk({consortium for consortium, _, _ in found})
    groups: dict[tuple[UUID, str], list[Dataset]] = {}
    for consortium_id, schema_digest, dataset in found:
        groups.setdefault((consortium_id, schema_digest), []).append(by_id[dataset])
    return [Group(consortia[consortium_id], tuple(rows)) for (consortium_id, _), rows in groups.items()]
