"""Every endpoint of training plans, asked the same questions.

Does it work for who may; is a stranger asked to sign in (401), somebody without the role refused (403), somebody of
another consortium answered that there is nothing (404); is a wrong method refused (405); does a token need its
scope; is what changed recorded, in the name of who did it?
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Scope
from plans.models import TrainingPlan
from tests.support import doors
from tests.support.cohort import Cohort
from tests.support.plans import CHANGED, sealed_review
from tests.support.world import client_of

pytestmark = pytest.mark.django_db

READERS = ("platform_admin", "administrator", "scientist", "steward", "it", "neighbour")
OUT = ("outsider", "nobody")
NO_SCIENTISTS = ("platform_admin", "administrator", "steward", "it", "neighbour")
NO_STEWARDS = ("platform_admin", "administrator", "scientist", "it", "neighbour")
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

    def of(self, cohort: Cohort, plan: TrainingPlan) -> doors.Ask:
        """Its answers."""
        path = self.path.format(plan=f"plans/{plan.pk}", consortium=cohort.federation.consortium.pk)

        def ask(client: APIClient, method: str) -> Any:
            return getattr(client, method)(f"/api/v1/{path}", self.body(cohort) if self.body else None, format="json")

        return ask


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


@pytest.mark.parametrize(("door", "who"), doors.with_who_may(DOORS))
def test_works_for_who_may(cohort: Cohort, plan: TrainingPlan, door: Door, who: str) -> None:
    doors.check_it_works(door, door.of(cohort, plan), getattr(cohort, who))


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_is_closed_to_everybody_else(cohort: Cohort, plan: TrainingPlan, door: Door) -> None:
    doors.check_it_is_closed(door, door.of(cohort, plan), lambda who: getattr(cohort, who))


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_a_token_needs_its_scope(cohort: Cohort, plan: TrainingPlan, door: Door) -> None:
    who = getattr(cohort, door.may[0])
    assert len(list(doors.check_a_token_needs_its_scope(door, door.scope, door.of(cohort, plan), who))) == 2


def test_lists_reveal_nothing_of_other_consortia(cohort: Cohort, plan: TrainingPlan) -> None:
    for who, seen in (("scientist", [str(plan.pk)]), ("neighbour", [str(plan.pk)]), ("outsider", []), ("nobody", [])):
        body = client_of(getattr(cohort, who)).get("/api/v1/plans/").json()
        assert [one["id"] for one in body["results"]] == seen, who


def test_no_endpoint_is_left_out() -> None:
    doors.check_none_is_forgotten(DOORS, "plans")
