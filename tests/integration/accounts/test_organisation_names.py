"""A name that an organisation has or had is nobody else's, however it is written and through whichever door."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction

from accounts.actions import create_organisation, edit_organisation
from accounts.models import Organisation, OrganisationName
from accounts.models.organisation import likeness_of
from audit.models import Event
from federation.errors import Invalid
from rest.errors import Conflict
from tests.support.cohort import browser
from tests.support.world import TEST, World, client_of

pytestmark = pytest.mark.django_db

LIKE_SOUTH = (
    "south",
    "  SOUTH ",
    "S\u03bfuth",
    "S\u043euth",
    "So\u00fath",
    "S0uth",
    "\uff33outh",
    "So-uth",
    "S outh",
    "S\u00f8uth",
)


def rename(organisation: Organisation, name: str) -> Organisation:
    return edit_organisation(organisation=organisation, name=name, country="CH", kind="hospital", by=TEST)


@pytest.mark.parametrize("name", LIKE_SOUTH)
def test_another_organisations_name_is_refused_however_it_is_written(world: World, name: str) -> None:
    with pytest.raises(Conflict) as renamed:
        rename(world.north, name)
    with pytest.raises(Conflict) as made:
        create_organisation(name=name, slug="new", country="CH", kind="bank", by=TEST)
    assert renamed.value.code == made.value.code == "organisation.name_taken"
    world.north.refresh_from_db()
    assert world.north.name == "North"
    assert not Organisation.objects.filter(slug="new").exists()


def test_a_name_with_a_letter_that_is_not_seen_is_no_name(world: World) -> None:
    with pytest.raises(Invalid, match=r"name\.not_one_line"):
        rename(world.north, "Nor\u200bdic")


def test_a_name_that_was_abandoned_stays_its_owners(world: World) -> None:
    rename(world.south, "Deep South")
    with pytest.raises(Conflict) as taken:
        rename(world.north, "South")
    assert taken.value.code == "organisation.name_taken"
    assert rename(world.south, "SOUTH").name == "SOUTH"
    edited = Event.objects.filter(verb="organisation.edited", subject_id=str(world.south.pk)).order_by("id")
    assert [event.detail["name_before"] for event in edited] == ["South", "Deep South"]


def test_rest_and_pages_say_so_at_the_field(world: World) -> None:
    place = f"/api/v1/organisations/{world.north.pk}/"
    answer = client_of(world.administrator).patch(place, {"name": "south"}, format="json")
    assert (answer.status_code, answer.json()["code"], list(answer.json()["fields"])) == (
        409,
        "organisation.name_taken",
        ["name"],
    )
    body = {"name": "South", "slug": "other", "country": "CH", "kind": "bank"}
    made = client_of(world.platform_admin).post("/api/v1/organisations/", body, format="json")
    assert (made.status_code, made.json()["code"]) == (409, "organisation.name_taken")
    page = browser(world.platform_admin).post("/organisations/", body)
    assert (page.status_code, list(page.context["form"].errors)) == (422, ["name"])
    facts = {"name": "South", "country": "CH", "kind": "hospital", "seen": world.north.facts_digest}
    page = browser(world.administrator).post(f"/organisations/{world.north.pk}/edit/", facts)
    assert (page.status_code, list(page.context["form"].errors)) == (422, ["name"])
    # anyone who is of another organisation renames nothing, whatever the name
    assert client_of(world.outsider).patch(place, {"name": "South"}, format="json").status_code == 404


def test_the_database_itself_takes_no_name_twice(world: World) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        OrganisationName.objects.create(organisation=world.north, name="South", likeness=likeness_of("SOUTH"))


def test_names_from_before_are_kept_with_those_of_the_audit_log(world: World) -> None:
    rename(world.south, "Deep South")
    OrganisationName.objects.all().delete()
    import_module("accounts.migrations.0007_organisation_names").keep_names(apps, None)
    kept = set(OrganisationName.objects.filter(organisation=world.south).values_list("name", flat=True))
    assert kept == {"South", "Deep South"}
    with pytest.raises(Conflict):
        rename(world.north, "South")


@pytest.mark.parametrize("name", ["Uni\u03bdersity", "Ma\u0433y", "\u13cfank", "The Ban\u043a of Town"])
def test_no_name_mixes_letters_of_scripts_that_look_alike(world: World, name: str) -> None:
    place = f"/api/v1/organisations/{world.north.pk}/"
    answer = client_of(world.administrator).patch(place, {"name": name}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "organisation.name_mixed")
    assert not OrganisationName.objects.filter(likeness=likeness_of(name)).exists()
    for plain in ("\u0411\u0430\u043d\u043a ABC", "\u03a3-Labs", "\u5317\u4eac Bank"):
        assert rename(world.north, plain).name == plain


def test_names_from_before_are_compared_with_those_of_today(world: World) -> None:
    OrganisationName.objects.filter(organisation=world.south).update(likeness="0" * 64)
    import_module("accounts.migrations.0010_spellings").compare_again(apps, None)
    with pytest.raises(Conflict):
        rename(world.north, "South")
