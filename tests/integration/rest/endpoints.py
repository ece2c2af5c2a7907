"""Every endpoint of accounts, consortia and the record: who may, who may not, and to whom it does not exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from accounts.actions import add_signatory_key, grant_role
from accounts.models import OrganisationRole, Scope
from accounts.tokens import issue_token
from consortia import invitations
from consortia.models import ConsortiumRole
from federation.protocol.keys import PrivateKey
from tests.support.world import TEST, World, make_organisation

WORLD = ("platform_admin", "administrator", "steward", "it", "auditor", "scientist", "outsider", "nobody")


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
        fourth = make_organisation("fourth")
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
ORGANISATION = {"name": "Fourth", "slug": "fourth", "country": "CH", "kind": "bank"}
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
        ("platform_admin",),
        ("administrator", "scientist", "nobody"),
        body=lambda world: ORGANISATION,
        status=201,
        verb="organisation.created",
    ),
    Endpoint("api-organisation", "get", at(ORG), ("platform_admin", "administrator", "it"), absent=("steward", *OUT)),
    Endpoint(
        "api-organisation",
        "patch",
        at(ORG),
        ("platform_admin", "administrator"),
        ("it",),
        ("steward", *OUT),
        body=lambda world: {"name": "Far North"},
        verb="organisation.edited",
    ),
    Endpoint(
        "api-people", "get", at(ORG + "people/"), ("platform_admin", "administrator", "it"), absent=("steward", *OUT)
    ),
    Endpoint(
        "api-organisation-roles",
        "get",
        at(ORG + "roles/"),
        ("platform_admin", "administrator", "it"),
        absent=("steward", *OUT),
    ),
    Endpoint(
        "api-organisation-roles",
        "post",
        at(ORG + "roles/"),
        ("platform_admin", "administrator"),
        ("it",),
        ("steward", *OUT),
        body=lambda world: {"email": "NOBODY@example.org", "role": "steward"},
        status=202,
        verb="role_offer.made",
    ),
    Endpoint(
        "api-organisation-role",
        "delete",
        role_in_organisation,
        ("platform_admin", "administrator"),
        ("it",),
        ("steward", *OUT),
        status=204,
        verb="organisation_role.revoked",
    ),
    Endpoint(
        "api-signatory-keys",
        "get",
        at(ORG + "signatory-keys/"),
        ("platform_admin", "administrator", "it"),
        absent=("steward", *OUT),
    ),
    Endpoint(
        "api-signatory-keys",
        "post",
        at(ORG + "signatory-keys/"),
        ("administrator",),
        ("it", "platform_admin"),
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
        ("it", "platform_admin"),
        ("steward", *OUT),
        status=204,
        verb="signatory_key.revoked",
    ),
    Endpoint("api-users", "get", at("users/"), EVERYBODY),
    Endpoint(
        "api-users",
        "post",
        at("users/"),
        ("platform_admin", "administrator"),
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
        "api-user",
        "get",
        at("users/{it}/"),
        ("platform_admin", "administrator", "it"),
        absent=("steward", "scientist", *OUT),
    ),
    Endpoint(
        "api-user",
        "patch",
        at("users/{it}/"),
        ("platform_admin",),
        ("administrator", "it"),
        ("steward", *OUT),
        body=lambda world: {"is_active": False},
        verb="user.deactivated",
    ),
    Endpoint(
        "api-user-welcome",
        "post",
        at("users/{it}/welcome/"),
        ("platform_admin", "administrator"),
        ("it",),
        ("steward", *OUT),
        status=202,
        verb="user.welcome_renewed",
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
        absent=("administrator", "platform_admin", *OUT),
        status=204,
        verb="api_token.revoked",
    ),
    Endpoint("api-consortia", "get", at("consortia/"), EVERYBODY),
    Endpoint(
        "api-consortia",
        "post",
        at("consortia/"),
        ("platform_admin", "administrator"),
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
        ("platform_admin", "administrator", "steward", "it", "auditor", "scientist"),
        absent=OUT,
    ),
    Endpoint(
        "api-consortium",
        "patch",
        at(CON),
        ("administrator",),
        ("platform_admin", "steward", "it", "auditor", "scientist"),
        OUT,
        body=lambda world: {"description": "Better"},
        verb="consortium.edited",
    ),
    Endpoint(
        "api-participants", "get", at(CON + "participants/"), ("platform_admin", "steward", "scientist"), absent=OUT
    ),
    Endpoint(
        "api-participants",
        "post",
        at(CON + "participants/"),
        ("administrator",),
        ("platform_admin", "steward", "it", "auditor", "scientist"),
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
        ("platform_admin", "administrator", "it", "auditor", "scientist"),
        OUT,
        verb="participation.left",
    ),
    Endpoint(
        "api-remove",
        "post",
        at(CON + "participants/{south}/remove/"),
        ("administrator",),
        ("platform_admin", "steward", "it", "auditor", "scientist"),
        OUT,
        body=lambda world: {"reason": "The contract has ended."},
        verb="participation.ended",
    ),
    Endpoint("api-consortium-roles", "get", at(CON + "roles/"), ("platform_admin", "steward", "scientist"), absent=OUT),
    Endpoint(
        "api-consortium-roles",
        "post",
        at(CON + "roles/"),
        ("administrator",),
        ("platform_admin", "steward", "it", "auditor", "scientist"),
        OUT,
        body=lambda world: {"email": "it@example.org", "role": "data_scientist"},
        status=202,
        verb="role_offer.made",
    ),
    Endpoint(
        "api-consortium-role",
        "delete",
        role_in_consortium,
        ("administrator",),
        ("platform_admin", "steward", "it", "auditor", "scientist"),
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
        ("platform_admin", "administrator", "steward", "auditor"),
        ("it", "scientist"),
        OUT,
    ),
    Endpoint(
        "api-events",
        "get",
        at("events/?organisation={south}"),
        ("platform_admin", "steward", "auditor"),
        (),
        ("administrator", "it", "scientist", *OUT),
    ),
    Endpoint(
        "api-events", "get", at("events/?organisation={north}"), ("administrator",), ("it",), ("steward", "outsider")
    ),
]
