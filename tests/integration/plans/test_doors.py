"""Every endpoint of training plans, asked the same questions.

Does it work for who may; is a stranger told to sign in (401), somebody without the role refused (403), somebody of
another consortium told that there is nothing (404); is a wrong method refused (405); does a token need its scope; is
what changed written down, in the name of who did it?
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import Scope
from accounts.tokens import issue_token
from audit.models import Event
from plans.models import TrainingPlan
from tests.support.cohort import Cohort
from tests.support.plans import CHANGED, sealed_review
from tests.support.world import client_of

pytestmark = pytest.mark.django_db

READERS = ("keeper", "administrator", "scientist", "steward", "it", "neighbour")
OUT = ("outsider", "nobody")
NO_SCIENTISTS = ("keeper", "administrator", "steward", "it", "neighbour")
NO_STEWARDS = ("keeper", "administrator", "scientist", "it", "neighbour")
Body = dict[str, Any]


@dataclass(frozen=True)
class Door:
    """One method at one address: who may, who may not, and the event that it writes."""

    name: str
    method: str
    path: str
    may: tuple[str, ...] = READERS
    forbidden: tuple[str, ...] = ()
    absent: tuple[str, ...] = OUT
    body: Callable[[Cohort], Body] | None = None
    status: int = 200
    verb: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.name}"

    @property
    def scope(self) -> Scope:
        """What a token needs."""
        return Scope.PLANS_READ if self.method == "get" else Scope.PLANS_WRITE

    def ask(self, cohort: Cohort, plan: TrainingPlan, client: Any) -> Any:
        """Its answer."""
        path = self.path.format(plan=f"plans/{plan.pk}", consortium=cohort.federation.consortium.pk)
        return getattr(client, self.method)(f"/api/v1/{path}", self.body(cohort) if self.body else None, format="json")


DOORS = [
    Door("api-plans", "get", "plans/", may=(*READERS, *OUT), absent=()),
    Door("api-plans", "get", "plans/?consortium={consortium}"),
    Door(
        "api-plans",
        "post",
        "plans/",
        may=("scientist",),
        forbidden=NO_SCIENTISTS,
        body=lambda cohort: {"consortium": str(cohort.federation.consortium.pk), "text": CHANGED.decode()},
        status=201,
        verb="plan.uploaded",
    ),
    Door("api-plan", "get", "{plan}/"),
    Door("api-plan-source", "get", "{plan}/source/"),
    Door(
        "api-plan-propose", "post", "{plan}/propose/", may=("scientist",), forbidden=NO_SCIENTISTS, verb="plan.proposed"
    ),
    Door("api-plan-reviews", "get", "{plan}/reviews/"),
    Door(
        "api-plan-reviews",
        "post",
        "{plan}/reviews/",
        may=("steward",),
        forbidden=NO_STEWARDS,
        body=lambda cohort: {"document": json.loads(sealed_review(cohort.federation.silos[0]))},
        verb="plan.reviewed_on_premises",
    ),
]


@pytest.mark.parametrize(("door", "who"), [(door, who) for door in DOORS for who in door.may], ids=str)
def test_works_for_who_may(cohort: Cohort, plan: TrainingPlan, door: Door, who: str) -> None:
    before = Event.objects.count()
    answer = door.ask(cohort, plan, client_of(getattr(cohort, who)))
    assert answer.status_code == door.status, answer.content
    written = [(event.verb, event.actor_id) for event in Event.objects.order_by("id")[before:]]
    assert written == ([(door.verb, str(getattr(cohort, who).pk))] if door.verb else [])


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_is_closed_to_everybody_else(cohort: Cohort, plan: TrainingPlan, door: Door) -> None:
    before = Event.objects.count()
    stranger = door.ask(cohort, plan, client_of())
    assert (stranger.status_code, stranger.json()["code"]) == (401, "authentication.required")
    for who in door.forbidden:
        answer = door.ask(cohort, plan, client_of(getattr(cohort, who)))
        assert (answer.status_code, answer.json()["code"]) == (403, "permission.denied"), who
    for who in door.absent:
        answer = door.ask(cohort, plan, client_of(getattr(cohort, who)))
        assert answer.status_code == 404, who
        assert answer.json()["code"].endswith(".not_found")
    answer = client_of(cohort.scientist).put(f"/api/v1/plans/{plan.pk}/reviews/", {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (405, "method.not_allowed")
    assert Event.objects.count() == before


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_a_token_needs_its_scope(cohort: Cohort, plan: TrainingPlan, door: Door) -> None:
    who = getattr(cohort, door.may[0])
    for scopes, status in (([s for s in Scope if s != door.scope], 403), ([door.scope], door.status)):
        _, secret = issue_token(user=who, name="t", scopes=scopes, lifetime=timedelta(days=1), by=who)
        client = client_of()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        answer = door.ask(cohort, plan, client)
        assert answer.status_code == status, answer.content


def test_lists_tell_nothing_of_other_consortia(cohort: Cohort, plan: TrainingPlan) -> None:
    for who, seen in (("scientist", [str(plan.pk)]), ("neighbour", [str(plan.pk)]), ("outsider", []), ("nobody", [])):
        told = client_of(getattr(cohort, who)).get("/api/v1/plans/").json()
        assert [one["id"] for one in told["results"]] == seen, who


def names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    """The names of the addresses of plans in our REST API."""
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from names(entry.url_patterns)
        elif (entry.name or "").startswith("api-") and entry.callback.__module__.split(".")[0] == "plans":
            yield str(entry.name)


def test_no_endpoint_is_forgotten() -> None:
    assert {door.name for door in DOORS} == set(names(get_resolver().url_patterns))
