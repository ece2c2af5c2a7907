"""Every endpoint of offered roles, and with the others all of accounts, consortia and the record."""

from __future__ import annotations

from collections.abc import Callable

from accounts.models import OrganisationRoleOffer
from accounts.role_offers import give_role
from consortia.models import ConsortiumRoleOffer
from consortia.role_offers import give_consortium_role
from tests.integration.rest.endpoints import CON, ENDPOINTS, EVERYBODY, ORG, OUT, Endpoint, at
from tests.support.world import World


def offer_to_nobody(world: World) -> OrganisationRoleOffer:
    given = give_role(user=world.nobody, organisation=world.north, role="steward", by=world.administrator)
    assert isinstance(given, OrganisationRoleOffer)
    return given


def own_offer(action: str) -> Callable[[World], str]:
    return lambda world: f"/api/v1/role-offers/{offer_to_nobody(world).pk}/{action}/"


def offer_of_north(world: World) -> str:
    return f"/api/v1/organisations/{world.north.pk}/role-offers/{offer_to_nobody(world).pk}/"


def consortium_offer(world: World) -> ConsortiumRoleOffer:
    given = give_consortium_role(user=world.nobody, consortium=world.consortium, role="auditor", by=world.administrator)
    assert isinstance(given, ConsortiumRoleOffer)
    return given


def own_consortium_offer(action: str) -> Callable[[World], str]:
    return lambda world: f"/api/v1/consortium-role-offers/{consortium_offer(world).pk}/{action}/"


def offer_of_consortium(world: World) -> str:
    return f"/api/v1/consortia/{world.consortium.pk}/role-offers/{consortium_offer(world).pk}/"


OFFERS = [
    Endpoint("api-role-offers", "get", at("role-offers/"), EVERYBODY),
    Endpoint(
        "api-role-offer-accept",
        "post",
        own_offer("accept"),
        ("nobody",),
        absent=("administrator", "platform_admin", "it", "steward", "outsider"),
        status=201,
        verb="role_offer.accepted",
    ),
    Endpoint(
        "api-role-offer-decline",
        "post",
        own_offer("decline"),
        ("nobody",),
        absent=("administrator", "platform_admin", "it", "steward", "outsider"),
        verb="role_offer.declined",
    ),
    Endpoint(
        "api-organisation-role-offers",
        "get",
        at(ORG + "role-offers/"),
        ("platform_admin", "administrator", "it"),
        absent=("steward", *OUT),
    ),
    Endpoint(
        "api-organisation-role-offer",
        "delete",
        offer_of_north,
        ("platform_admin", "administrator"),
        ("it",),
        ("steward", *OUT),
        status=204,
        verb="role_offer.withdrawn",
    ),
    Endpoint("api-consortium-role-offers", "get", at("consortium-role-offers/"), EVERYBODY),
    Endpoint(
        "api-consortium-role-offer-accept",
        "post",
        own_consortium_offer("accept"),
        ("nobody",),
        absent=("administrator", "platform_admin", "it", "steward", "outsider"),
        status=201,
        verb="role_offer.accepted",
    ),
    Endpoint(
        "api-consortium-role-offer-decline",
        "post",
        own_consortium_offer("decline"),
        ("nobody",),
        absent=("administrator", "platform_admin", "it", "steward", "outsider"),
        verb="role_offer.declined",
    ),
    Endpoint(
        "api-offers-of-consortium",
        "get",
        at(CON + "role-offers/"),
        ("platform_admin", "steward", "scientist"),
        absent=OUT,
    ),
    Endpoint(
        "api-offer-of-consortium",
        "delete",
        offer_of_consortium,
        ("administrator",),
        ("platform_admin", "steward", "it", "auditor", "scientist"),
        OUT,
        status=204,
        verb="role_offer.withdrawn",
    ),
]
EVERY_ENDPOINT = [*ENDPOINTS, *OFFERS]
