"""Every endpoint of accounts, consortia and the record, asked the same questions.

Does it work for who may; is a stranger told to sign in (401), somebody without the role refused (403), somebody of
another consortium told that there is nothing (404); is a wrong method refused (405); is what changed written down?
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.actions import add_signatory_key, grant_role
from accounts.models import OrganisationRole, Scope
from accounts.tokens import issue_token
from audit.models import Event
from consortia import invitations
from consortia.models import ConsortiumRole
from federation.protocol.keys import PrivateKey
from tests.support.world import TEST, World, client_of, house

WORLD = ("keeper", "administrator", "steward", "it", "auditor", "scientist", "outsider", "nobody")


def no_body(world: World) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Endpoint:
    """One method at one address: who may, who may not, to whom it does not exist, and the event that it writes."""

    name: str
    method: str
    path: Callable[[World], str]
    may: tuple[str, ...]
    forbidden: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    body: Callable[[World], dict[str, Any]] = no_body
    status: int = 200
    verb: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.name}"


def at(text: str) -> Callable[[World], str]:
    """An address, with the world's things in it."""

    def path(world: World) -> str:
        return f"/api/v1/{text}".format(
            north=world.north.pk,
            south=world.south.pk,
            consortium=world.consortium.pk,
            steward=world.steward.pk,
            it=world.it.pk,
        )

    return path


def open_invitation(action: str) -> Callable[[World], str]:
    """An address of a fresh invitation to a fourth organisation, of which the steward is steward too."""

    def path(world: World) -> str:
        fourth = house("fourth")
        grant_role(user=world.steward, organisation=fourth, role="steward", by=TEST)
        grant_role(user=world.it, organisation=fourth, role="silo_it", by=TEST)
        sent = invitations.invite(consortium=world.consortium, organisation=fourth, by=world.administrator)
        return f"/api/v1/invitations/{sent.pk}/{action}"

    return path


def role_in_organisation(world: World) -> str:
    held = OrganisationRole.objects.get(user=world.it, organisation=world.north)
    return f"/api/v1/organisations/{world.north.pk}/roles/{held.pk}/"


def role_in_consortium(world: World) -> str:
    held = ConsortiumRole.objects.get(user=world.scientist)
    return f"/api/v1/consortia/{world.consortium.pk}/roles/{held.pk}/"


def signatory_key(world: World) -> str:
    added = add_signatory_key(organisation=world.north, public_key=PrivateKey.generate().public, by=world.administrator)
    return f"/api/v1/organisations/{world.north.pk}/signatory-keys/{added.pk}/"


def own_token(world: World) -> str:
    token, _ = issue_token(
        user=world.it, name="t", scopes=[Scope.ACCOUNT_READ], lifetime=timedelta(days=1), by=world.it
    )
    return f"/api/v1/tokens/{token.pk}/"


EVERYBODY = WORLD
HOUSE = {"name": "Fourth", "slug": "fourth", "country": "CH", "kind": "bank"}
ORG = "organisations/{north}/"
CON = "consortia/{consortium}/"
OUT = ("outsider", "nobody")

ENDPOINTS = [
    Endpoint("api-me", "get", at("me/"), EVERYBODY),
    Endpoint("api-organisations", "get", at("organisations/"), EVERYBODY),
    Endpoint(
        "api-organisations",
        "post",
        at("organisations/"),
        ("keeper",),
        ("administrator", "scientist", "nobody"),
        body=lambda world: HOUSE,
        status=201,
        verb="organisation.created",
    ),
    Endpoint("api-organisation", "get", at(ORG), ("keeper", "administrator", "it"), absent=("steward", *OUT)),
    Endpoint(
        "api-organisation",
        "patch",
        at(ORG),
        ("keeper", "administrator"),
        ("it",),
        ("steward", *OUT),
        body=lambda world: {"name": "Far North"},
        verb="organisation.edited",
    ),
    Endpoint("api-people", "get", at(ORG + "people/"), ("keeper", "administrator", "it"), absent=("steward", *OUT)),
    Endpoint(
        "api-organisation-roles", "get", at(ORG + "roles/"), ("keeper", "administrator", "it"), absent=("steward", *OUT)
    ),
    Endpoint(
        "api-organisation-roles",
        "post",
        at(ORG + "roles/"),
        ("keeper", "administrator"),
        ("it",),
        ("steward", *OUT),
        body=lambda world: {"email": "NOBODY@example.org", "role": "steward"},
        status=201,
        verb="organisation_role.granted",
    ),
    Endpoint(
        "api-organisation-role",
        "delete",
        role_in_organisation,
        ("keeper", "administrator"),
        ("it",),
        ("steward", *OUT),
        status=204,
        verb="organisation_role.revoked",
    ),
    Endpoint(
        "api-signatory-keys",
        "get",
        at(ORG + "signatory-keys/"),
        ("keeper", "administrator", "it"),
        absent=("steward", *OUT),
    ),
    Endpoint(
        "api-signatory-keys",
        "post",
        at(ORG + "signatory-keys/"),
        ("administrator",),
        ("it", "keeper"),
        ("steward", *OUT),
        body=lambda world: {"public_key": PrivateKey.generate().public.encoded},
        status=201,
        verb="signatory_key.added",
    ),
    Endpoint(
        "api-signatory-key",
        "delete",
        signatory_key,
        ("administrator",),
        ("it", "keeper"),
        ("steward", *OUT),
        status=204,
        verb="signatory_key.revoked",
    ),
    Endpoint("api-users", "get", at("users/"), EVERYBODY),
    Endpoint(
        "api-users",
        "post",
        at("users/"),
        ("keeper", "administrator"),
        ("it",),
        ("steward", *OUT),
        body=lambda world: {
            "email": "new@example.org",
            "full_name": "New",
            "organisation": str(world.north.pk),
            "roles": ["auditor"],
        },
        status=201,
        verb="user.created",
    ),
    Endpoint(
        "api-user", "get", at("users/{it}/"), ("keeper", "administrator", "it"), absent=("steward", "scientist", *OUT)
    ),
    Endpoint(
        "api-user",
        "patch",
        at("users/{it}/"),
        ("keeper",),
        ("administrator", "it"),
        ("steward", *OUT),
        body=lambda world: {"is_active": False},
        verb="user.deactivated",
    ),
    Endpoint("api-tokens", "get", at("tokens/"), EVERYBODY),
    Endpoint(
        "api-tokens",
        "post",
        at("tokens/"),
        EVERYBODY,
        body=lambda world: {"name": "mine", "scopes": ["account:read"]},
        status=201,
        verb="api_token.issued",
    ),
    Endpoint(
        "api-token",
        "delete",
        own_token,
        ("it",),
        absent=("administrator", "keeper", *OUT),
        status=204,
        verb="api_token.revoked",
    ),
    Endpoint("api-consortia", "get", at("consortia/"), EVERYBODY),
    Endpoint(
        "api-consortia",
        "post",
        at("consortia/"),
        ("keeper", "administrator"),
        ("it",),
        ("steward", *OUT),
        body=lambda world: {"name": "Third", "slug": "third", "organisation": str(world.north.pk)},
        status=201,
        verb="consortium.founded",
    ),
    Endpoint(
        "api-consortium",
        "get",
        at(CON),
        ("keeper", "administrator", "steward", "it", "auditor", "scientist"),
        absent=OUT,
    ),
    Endpoint(
        "api-consortium",
        "patch",
        at(CON),
        ("administrator",),
        ("keeper", "steward", "it", "auditor", "scientist"),
        OUT,
        body=lambda world: {"description": "Better"},
        verb="consortium.edited",
    ),
    Endpoint("api-participants", "get", at(CON + "participants/"), ("keeper", "steward", "scientist"), absent=OUT),
    Endpoint(
        "api-participants",
        "post",
        at(CON + "participants/"),
        ("administrator",),
        ("keeper", "steward", "it", "auditor", "scientist"),
        OUT,
        body=lambda world: {"organisation": "elsewhere"},
        status=201,
        verb="participation.invited",
    ),
    Endpoint(
        "api-leave",
        "post",
        at(CON + "participants/{south}/leave/"),
        ("steward",),
        ("keeper", "administrator", "it", "auditor", "scientist"),
        OUT,
        verb="participation.left",
    ),
    Endpoint("api-consortium-roles", "get", at(CON + "roles/"), ("keeper", "steward", "scientist"), absent=OUT),
    Endpoint(
        "api-consortium-roles",
        "post",
        at(CON + "roles/"),
        ("administrator",),
        ("keeper", "steward", "it", "auditor", "scientist"),
        OUT,
        body=lambda world: {"email": "it@example.org", "role": "data_scientist"},
        status=201,
        verb="consortium_role.granted",
    ),
    Endpoint(
        "api-consortium-role",
        "delete",
        role_in_consortium,
        ("administrator",),
        ("keeper", "steward", "it", "auditor", "scientist"),
        OUT,
        status=204,
        verb="consortium_role.revoked",
    ),
    Endpoint("api-invitations", "get", at("invitations/"), EVERYBODY),
    Endpoint(
        "api-invitation",
        "get",
        open_invitation(""),
        ("administrator", "steward", "it"),
        absent=("auditor", "scientist", *OUT),
    ),
    Endpoint(
        "api-accept",
        "post",
        open_invitation("accept/"),
        ("steward",),
        ("administrator", "it"),
        ("scientist", *OUT),
        verb="invitation.accepted",
    ),
    Endpoint(
        "api-decline",
        "post",
        open_invitation("decline/"),
        ("steward",),
        ("administrator", "it"),
        ("scientist", *OUT),
        verb="invitation.declined",
    ),
    Endpoint(
        "api-withdraw",
        "post",
        open_invitation("withdraw/"),
        ("administrator",),
        ("steward", "it"),
        ("scientist", *OUT),
        verb="invitation.withdrawn",
    ),
    Endpoint("api-events", "get", at("events/"), EVERYBODY),
    Endpoint(
        "api-events",
        "get",
        at("events/?consortium={consortium}"),
        ("keeper", "administrator", "steward", "auditor"),
        ("it", "scientist"),
        OUT,
    ),
    Endpoint(
        "api-events",
        "get",
        at("events/?organisation={south}"),
        ("keeper", "steward", "auditor"),
        (),
        ("administrator", "it", "scientist", *OUT),
    ),
    Endpoint(
        "api-events", "get", at("events/?organisation={north}"), ("administrator",), ("it",), ("steward", "outsider")
    ),
]


def send(endpoint: Endpoint, world: World, path: str, who: str | None, method: str = "") -> Any:
    """The endpoint's answer to somebody."""
    client = client_of(getattr(world, who) if who else None)
    return getattr(client, method or endpoint.method)(path, endpoint.body(world) or None, format="json")


@pytest.mark.parametrize(
    ("endpoint", "who"),
    [pytest.param(endpoint, who, id=f"{endpoint}-{who}") for endpoint in ENDPOINTS for who in endpoint.may],
)
def test_works_for_who_may_and_is_written_down(world: World, endpoint: Endpoint, who: str) -> None:
    path = endpoint.path(world)
    before = Event.objects.count()
    answer = send(endpoint, world, path, who)
    assert answer.status_code == endpoint.status, answer.content
    written = list(Event.objects.order_by("id")[before:])
    if endpoint.verb:
        assert endpoint.verb in [event.verb for event in written]
        assert all(event.actor_id == str(getattr(world, who).pk) for event in written)
    else:
        assert not written


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_is_closed_to_everybody_else(world: World, endpoint: Endpoint) -> None:
    path = endpoint.path(world)
    before = Event.objects.count()
    stranger = send(endpoint, world, path, None)
    assert stranger.status_code == 401
    assert stranger["Content-Type"] == "application/problem+json"
    assert stranger["WWW-Authenticate"].startswith("Bearer")
    assert stranger.json()["code"] == "authentication.required"
    for who in endpoint.forbidden:
        answer = send(endpoint, world, path, who)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission.denied"), who
    for who in endpoint.absent:
        answer = send(endpoint, world, path, who)
        assert answer.status_code == 404, (who, answer.content)
        assert answer.json()["code"].endswith(".not_found")
    for method in ("put", "options"):
        answer = send(endpoint, world, path, "keeper", method)
        assert (answer.status_code, answer.json()["code"]) == (405, "method.not_allowed")
        assert endpoint.method.upper() in answer["Allow"]
    assert Event.objects.count() == before


def names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    """The names of all addresses of our REST API."""
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from names(entry.url_patterns)
        elif entry.name and entry.name.startswith("api-"):
            module = entry.callback.__module__.split(".")[0]
            if module in {"accounts", "consortia"}:
                yield entry.name


def test_no_endpoint_is_forgotten() -> None:
    assert {endpoint.name for endpoint in ENDPOINTS} == set(names(get_resolver().url_patterns))
