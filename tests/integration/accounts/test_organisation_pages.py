"""The pages of an organisation: corrected by two at once, keys that are none, what asks first."""

from __future__ import annotations

import pytest

from accounts.actions import add_signatory_key, edit_organisation
from federation.protocol.keys import PrivateKey
from tests.support.cohort import browser
from tests.support.world import TEST, World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def test_two_who_correct_the_same_organisation_are_informed(world: World) -> None:
    client, place = browser(world.administrator), f"/organisations/{world.north.pk}/edit/"
    asked = client.get(place)
    seen = asked.context["now_seen"]
    edit_organisation(organisation=world.north, name="North and East", country="CH", kind="hospital", by=TEST)
    mine = {"name": "Northern", "country": "DE", "kind": "hospital"}
    answer = client.post(place, mine | {"seen": seen})
    page = answer.content.decode()
    assert answer.status_code == 422
    for one_report in ("Somebody else has changed this", "North and East", 'value="Northern"', 'value="DE"'):
        assert one_report in page
    world.north.refresh_from_db()
    assert (world.north.name, world.north.country) == ("North and East", "CH")
    saved = client.post(place, mine | {"seen": answer.context["now_seen"]})
    assert saved.status_code == 302
    world.north.refresh_from_db()
    assert (world.north.name, world.north.country) == ("Northern", "DE")


def test_a_key_that_is_none_stays_to_be_mended(world: World) -> None:
    answer = browser(world.administrator).post(f"/organisations/{world.north.pk}/signatory-keys/", {"public_key": "x"})
    assert answer.status_code == 422
    assert "Paste the whole line" in answer.context["key_form"].errors["public_key"][0]
    assert b'value="x"' in answer.content


def test_revoking_a_key_asks_first(world: World) -> None:
    key = add_signatory_key(organisation=world.north, public_key=PrivateKey.generate().public, by=TEST)
    place = f"/organisations/{world.north.pk}/signatory-keys/{key.pk}/revoke/"
    asked = browser(world.administrator).get(place)
    assert b"This can&#x27;t be undone." in asked.content
    assert world.north.signatory_keys.get().state == "active"


def test_an_organisation_is_created_by_a_platform_administrator(world: World) -> None:
    body = {"name": "Fourth", "slug": "fourth", "country": "CH", "kind": "bank"}
    assert browser(world.administrator).post("/organisations/", body).status_code == 403
    assert browser(world.platform_admin).post("/organisations/", body | {"country": "ch"}).status_code == 422
    assert b"taken in" in browser(world.platform_admin).post("/organisations/", body, follow=True).content
    taken = browser(world.platform_admin).post("/organisations/", body | {"name": "Fourth again"})
    assert (taken.status_code, taken.context["form"].errors) == (
        422,
        {"slug": ["Another organisation has this slug."]},
    )
    assert b'value="Fourth again"' in taken.content


def test_an_administrator_adds_a_person_to_the_organisation(world: World) -> None:
    client, place = browser(world.administrator), f"/organisations/{world.north.pk}/people/"
    body = {"email": "new@example.org", "full_name": "New", "role": "auditor"}
    answer = client.post(place, body, follow=True)
    assert b"testserver/welcome/" not in answer.content
    assert b"An invitation is on its way to new@example.org." in answer.content
    again = client.post(place, body | {"role": "steward"}, follow=True)
    assert b"has not come yet" in again.content
    assert b"New has a role here now: Steward." in again.content
    held = client.post(place, body)
    assert held.context["form"].errors == {"role": ["This person holds this role already."]}
    nameless = client.post(place, {"email": "b@example.org", "role": "auditor"})
    assert "give a name" in nameless.context["form"].errors["full_name"][0]
    assert b'value="b@example.org"' in nameless.content
    assert client.post(place, {"email": "x", "role": "god"}).status_code == 422
