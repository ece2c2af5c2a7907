"""Every endpoint of agreements, asked the same questions.

Does it work for who may; is a stranger asked to sign in (401), somebody without the role refused (403), somebody of
another consortium answered that there is nothing (404); is a wrong method refused (405); does a token need its
scope; is what changed recorded, in the name of who did it?
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from accounts.models import Scope
from agreements.actions import lifecycle, suspension
from agreements.models import AgreementVersion
from tests.support import doors
from tests.support.agreements import agreed, proposed, signed_by, terms_for
from tests.support.cohort import Cohort, make_cohort
from tests.support.world import client_of

pytestmark = pytest.mark.django_db

READ, WRITE = Scope.AGREEMENTS_READ, Scope.AGREEMENTS_WRITE
READERS = ("platform_admin", "administrator", "scientist", "steward", "it", "neighbour")
OUT = ("outsider", "nobody")
DRAFTERS, NO_DRAFTERS = ("administrator",), ("platform_admin", "steward", "scientist", "it", "neighbour")
SPEAKERS, NO_SPEAKERS = ("administrator", "steward"), ("platform_admin", "scientist", "it", "neighbour")
STEWARDS, NO_STEWARDS = ("steward",), ("platform_admin", "administrator", "scientist", "it", "neighbour")
Body = dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """The cohort with a version in force, and the next one under way."""

    cohort: Cohort
    current: AgreementVersion
    coming: AgreementVersion

    @property
    def home(self) -> str:
        """The id of the steward's organisation."""
        return str(self.cohort.silo.organisation_id)


@pytest.fixture(scope="module")
def made(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Made once, in a transaction around all tests of this file; each test is a savepoint within it."""
    blobs = tmp_path_factory.mktemp("blobs")
    with django_db_blocker.unblock(), override_settings(BLOB_ROOT=blobs), transaction.atomic():
        cohort = make_cohort(agreed=False)
        current = agreed(cohort.federation)
        yield Scene(cohort, current, proposed(cohort.federation, protection=["masked"]))
        transaction.set_rollback(True)


@pytest.fixture
def scene(made: Scene) -> Scene:
    """The same, with the version as the database has it."""
    made.coming.refresh_from_db()
    return made


def bring_to(state: str) -> Callable[[Scene], None]:
    """What brings the coming version to this state first."""

    def bring(scene: Scene) -> None:
        version, by = scene.coming, scene.cohort.administrator
        match state:
            case "draft":
                lifecycle.return_to_draft(version=version, by=by)
            case "signing":
                lifecycle.open_signing(version=version, by=by)
            case "suspended":
                member_organisation = scene.cohort.silo.organisation
                suspension.suspend(
                    consortium=version.consortium,
                    organisation=member_organisation,
                    reason="because",
                    by=scene.cohort.steward,
                )
            case "outdated":
                lifecycle.withdraw(version=version, by=by)
                AgreementVersion.objects.filter(pk=scene.current.pk).update(protocol="1.0")
            case "free":
                lifecycle.withdraw(version=version, by=by)
        version.refresh_from_db()

    return bring


@dataclass(frozen=True)
class Door:
    """One method at one address of a version: who may, who may not, and the event that it writes."""

    name: str
    method: str
    path: str
    may: tuple[str, ...] = READERS
    forbidden: tuple[str, ...] = ()
    absent: tuple[str, ...] = OUT
    body: Callable[[Scene], Body] | None = None
    status: int = 200
    verb: str = ""
    about: str = "coming"
    first: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.name}"

    @property
    def scope(self) -> Scope:
        """What a token needs."""
        return READ if self.method == "get" else WRITE

    def of(self, scene: Scene) -> doors.Ask:
        """Its answers."""
        path = self.path.format(version=f"agreements/versions/{getattr(scene, self.about).pk}")

        def ask(client: APIClient, method: str) -> Any:
            return getattr(client, method)(f"/api/v1/{path}/", self.body(scene) if self.body else None, format="json")

        return ask


def terms(scene: Scene, **changes: Any) -> Body:
    """Terms that are none of those which stand already."""
    return {"terms": terms_for(scene.cohort.federation, protection=["clear", "masked"], **changes)}


def document(scene: Scene) -> Body:
    """What the home organisation's signatory makes of the document."""
    sealed = signed_by(scene.coming, scene.cohort.federation.silos[0].signatory)
    return {"document": json.loads(sealed)}


DOORS = [
    Door("api-agreements", "get", "agreements/versions", may=(*READERS, *OUT), absent=()),
    Door(
        "api-agreements",
        "post",
        "agreements/versions",
        may=DRAFTERS,
        forbidden=NO_DRAFTERS,
        body=lambda s: {"consortium": str(s.current.consortium_id), **terms(s)},
        status=201,
        verb="agreement.drafted",
        first="free",
    ),
    Door("api-agreement", "get", "{version}"),
    Door("api-agreement-text", "get", "{version}/text"),
    Door("api-agreement-document", "get", "{version}/document", about="current"),
    Door(
        "api-agreement-propose",
        "post",
        "{version}/propose",
        may=DRAFTERS,
        forbidden=NO_DRAFTERS,
        verb="agreement.proposed",
        first="draft",
    ),
    Door(
        "api-agreement-upgrade",
        "post",
        "{version}/upgrade",
        may=DRAFTERS,
        forbidden=NO_DRAFTERS,
        status=201,
        verb="agreement.drafted",
        about="current",
        first="outdated",
    ),
    Door(
        "api-agreement-return-to-draft",
        "post",
        "{version}/return-to-draft",
        may=DRAFTERS,
        forbidden=NO_DRAFTERS,
        verb="agreement.returned_to_draft",
    ),
    Door(
        "api-agreement-open-signing",
        "post",
        "{version}/open-signing",
        may=DRAFTERS,
        forbidden=NO_DRAFTERS,
        body=lambda s: {"seen_digest": s.coming.terms_digest},
        verb="agreement.signing_opened",
    ),
    Door(
        "api-agreement-reopen",
        "post",
        "{version}/reopen",
        may=SPEAKERS,
        forbidden=NO_SPEAKERS,
        body=lambda s: {"reason": "a question"},
        verb="agreement.reopened",
        first="signing",
    ),
    Door(
        "api-agreement-withdraw",
        "post",
        "{version}/withdraw",
        may=DRAFTERS,
        forbidden=NO_DRAFTERS,
        body=lambda s: {},
        verb="agreement.withdrawn",
    ),
    Door(
        "api-agreement-terminate",
        "post",
        "{version}/terminate",
        may=DRAFTERS,
        forbidden=NO_DRAFTERS,
        body=lambda s: {"reason": "It is over"},
        verb="agreement.terminated",
        about="current",
    ),
    Door("api-agreement-revisions", "get", "{version}/revisions"),
    Door(
        "api-agreement-revisions",
        "post",
        "{version}/revisions",
        may=SPEAKERS,
        forbidden=NO_SPEAKERS,
        body=lambda s: {**terms(s), "seen_digest": s.coming.terms_digest},
        status=201,
        verb="agreement.revised",
    ),
    Door("api-agreement-comments", "get", "{version}/comments"),
    Door(
        "api-agreement-comments",
        "post",
        "{version}/comments",
        may=SPEAKERS,
        forbidden=NO_SPEAKERS,
        body=lambda s: {"clause": "training_limits", "text": "Fewer rounds"},
        status=201,
        verb="agreement.commented",
    ),
    Door(
        "api-agreement-signatures",
        "post",
        "{version}/signatures",
        may=STEWARDS,
        forbidden=NO_STEWARDS,
        body=document,
        verb="agreement.signed",
        first="signing",
    ),
    Door(
        "api-agreement-suspend",
        "post",
        "{version}/suspend",
        may=STEWARDS,
        forbidden=NO_STEWARDS,
        body=lambda s: {"organisation": s.home, "reason": "a question"},
        status=201,
        verb="agreement.suspended_by_member",
        about="current",
    ),
    Door(
        "api-agreement-lift",
        "post",
        "{version}/lift",
        may=STEWARDS,
        forbidden=NO_STEWARDS,
        body=lambda s: {"organisation": s.home},
        verb="agreement.suspension_lifted",
        about="current",
        first="suspended",
    ),
]


@pytest.mark.parametrize(("door", "who"), doors.with_who_may(DOORS))
def test_works_for_who_may(scene: Scene, door: Door, who: str) -> None:
    bring_to(door.first)(scene)
    doors.check_it_works(door, door.of(scene), getattr(scene.cohort, who))


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_is_closed_to_everybody_else(scene: Scene, door: Door) -> None:
    bring_to(door.first)(scene)
    doors.check_it_is_closed(door, door.of(scene), lambda who: getattr(scene.cohort, who))


@pytest.mark.parametrize("door", DOORS, ids=str)
def test_a_token_needs_its_scope(scene: Scene, door: Door) -> None:
    bring_to(door.first)(scene)
    who = getattr(scene.cohort, door.may[0])
    assert len(list(doors.check_a_token_needs_its_scope(door, door.scope, door.of(scene), who))) == 2


def test_a_draft_is_changed_by_who_drafts_only(scene: Scene) -> None:
    bring_to("draft")(scene)
    door = next(door for door in DOORS if (door.name, door.method) == ("api-agreement-revisions", "post"))
    assert door.of(scene)(client_of(scene.cohort.steward), door.method).status_code == 403
    assert door.of(scene)(client_of(scene.cohort.administrator), door.method).status_code == 201


def test_nobody_suspends_for_another_organisation(scene: Scene) -> None:
    other = str(scene.cohort.federation.silos[1].silo.organisation_id)
    path = f"/api/v1/agreements/versions/{scene.current.pk}/suspend/"
    answer = client_of(scene.cohort.steward).post(path, {"organisation": other, "reason": "x"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission.denied")


def test_no_endpoint_is_left_out() -> None:
    doors.check_none_is_forgotten(DOORS, "agreements")
