"""The pages of offered roles: answered by the person, taken back by who may grant."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import models
from django.test import Client

from accounts.role_offers import give_role
from audit.models import Event
from consortia.models import ConsortiumRole
from consortia.role_offers import give_consortium_role
from tests.support.cohort import browser
from tests.support.world import TEST, World


def offer_of_north(world: World) -> str:
    offer = give_role(user=world.nobody, organisation=world.north, role="steward", by=TEST)
    return f"/organisations/{world.north.pk}/role-offers/{offer.pk}/withdraw/"


def offer_of_consortium(world: World) -> str:
    offer = give_consortium_role(user=world.nobody, consortium=world.consortium, role="auditor", by=TEST)
    return f"/consortia/{world.consortium.pk}/role-offers/{offer.pk}/withdraw/"


@pytest.mark.parametrize(
    ("path", "forbidden"), [(offer_of_north, ("it",)), (offer_of_consortium, ("steward", "it", "platform_admin"))]
)
def test_an_offer_is_withdrawn_on_its_page(
    world: World, path: Callable[[World], str], forbidden: tuple[str, ...]
) -> None:
    place = path(world)
    before = Event.objects.count()
    assert browser(world.administrator).get(place).status_code == 405
    for who in forbidden:
        assert browser(getattr(world, who)).post(place).status_code == 403, who
    for who in ("outsider", "nobody"):
        assert browser(getattr(world, who)).post(place).status_code == 404, who
    assert Event.objects.count() == before
    assert browser(world.administrator).post(place, follow=True).status_code == 200
    assert Event.objects.get(verb="role_offer.withdrawn").actor_id == str(world.administrator.pk)
    assert b"has been taken back" in browser(world.administrator).post(place, follow=True).content


@pytest.mark.parametrize("where", ["organisation", "consortium"])
@pytest.mark.parametrize("action", ["accept", "decline"])
def test_answering_the_offer_of_a_role(world: World, where: str, action: str) -> None:
    offer: models.Model
    if where == "organisation":
        offer = give_role(user=world.nobody, organisation=world.north, role="steward", by=world.administrator)
        place, reported = f"/role-offers/{offer.pk}/{action}/", b"North offers you a role: Steward"
    else:
        offer = give_consortium_role(
            user=world.nobody, consortium=world.consortium, role="consortium_administrator", by=world.administrator
        )
        place, reported = f"/consortium-role-offers/{offer.pk}/{action}/", b"Hearts offers you a role"
    page = browser(world.nobody).get("/").content
    assert reported in page
    assert b"takes a second factor" in page
    assert reported not in browser(world.it).get("/").content
    assert Client().post(place)["Location"].startswith("/sign-in/")
    for who in ("administrator", "it", "outsider"):
        assert browser(getattr(world, who)).post(place).status_code == 404, who
    assert browser(world.nobody).get(place).status_code == 405
    answer = browser(world.nobody).post(place, follow=True)
    assert answer.status_code == 200
    assert reported not in answer.content
    verb = {"accept": "role_offer.accepted", "decline": "role_offer.declined"}[action]
    assert Event.objects.get(verb=verb).actor_id == str(world.nobody.pk)
    held = world.nobody.organisation_roles.count() + ConsortiumRole.objects.filter(user=world.nobody).count()
    assert held == (1 if action == "accept" else 0)
    assert b"already" in browser(world.nobody).post(place, follow=True).content
