"""Names are one line, at every door."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.db import models
from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers

from accounts.forms import OrganisationFactsForm
from agreements.fields import LinesField
from agreements.terms import _check_names
from federation.errors import Invalid
from federation.plans.unicode_safety import is_plain_line
from rest.names import NameField, NameFormField, NameInput, as_one_line, one_line
from rest.serializers import Input
from silos.health import _text
from training.launch.purpose_fields import TextsField, purpose_fields
from training.launch.requests import read_request

NAMES = {"name", "full_name", "title", "reviewer"}
for app in ("accounts", "consortia", "silos"):
    import_module(f"{app}.serializers")
    import_module(f"{app}.forms")
import_module("training.launch.forms")
OURS = {"accounts", "consortia", "silos", "agreements", "plans", "registry", "training", "monitoring"}
BAD = ["two\nlines", "two\rlines", "a\tb", "a\0b", "a\x85b", "a\u2028b", "a\u2029b", "\u202eevil", "a\u2066b"]


@pytest.mark.parametrize("text", [*BAD, "\ufeffa", "a\u3164b", "a\x1b[31mb", "a\ud800b", "tail\n"])
def test_what_is_not_seen_is_no_part_of_a_name(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        one_line(text, "name")
    assert (caught.value.code, caught.value.field) == ("name.not_one_line", "name")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Ward  1 ", "Ward 1"),
        ("Zu\u0308rich", "Z\u00fcrich"),
        ("St.\u00a0Gallen\u2009West", "St. Gallen West"),
        ("\u091c\u093c", "\u091c\u093c"),
        ("\u5317\u4eac", "\u5317\u4eac"),
        ("O\u2019Neill & <b>Sons</b>", "O\u2019Neill & <b>Sons</b>"),
        ("", ""),
    ],
)
def test_names_are_kept_in_one_form(typed: str, kept: str) -> None:
    assert one_line(typed) == kept


@given(st.text(max_size=60))
def test_any_text_can_be_made_a_line_and_a_name_stays_as_it_is(text: str) -> None:
    line = as_one_line(text)
    assert is_plain_line(line)
    assert one_line(line) == line == as_one_line(line)


OF_ARTEFACTS = {"training.Payload.name", "training.Upload.name"}
"""What an order calls a file: forty small letters, digits and underscores at most (`ArtefactName`)."""


def test_every_column_that_is_a_name_is_one() -> None:
    found = [
        field
        for model in apps.get_models()
        if model._meta.app_label in OURS
        for field in model._meta.concrete_fields
        if isinstance(field, models.CharField) and field.name in NAMES
    ]
    assert len(found) >= 11
    assert {str(field) for field in found if not isinstance(field, NameField)} == OF_ARTEFACTS


def test_no_way_to_the_database_goes_past_it() -> None:
    field = apps.get_model("silos", "Silo")._meta.get_field("name")
    with pytest.raises(Invalid):
        field.get_db_prep_save("a\nb", None)
    silo = apps.get_model("silos", "Silo")(name=" Ward  1 ")
    assert field.pre_save(silo, add=True) == silo.name == "Ward 1"
    assert field.deconstruct()[1] == "django.db.models.CharField"


def all_of(kind: type) -> list[Any]:
    found: list[Any] = list(kind.__subclasses__())
    return [*found, *(one for each in found for one in all_of(each))]


def test_every_field_of_a_form_that_is_a_name_is_one() -> None:
    found = {
        f"{form.__module__}.{form.__name__}.{name}": field
        for form in all_of(forms.Form)
        if form.__module__.partition(".")[0] in OURS
        for name, field in form.base_fields.items()
        if name in NAMES
    }
    assert len(found) >= 8
    assert [name for name, field in found.items() if not isinstance(field, NameFormField)] == []
    assert isinstance(purpose_fields()["project"], NameFormField)
    assert isinstance(purpose_fields()["ethics_approval"], NameFormField)


def test_every_member_of_a_request_that_is_a_name_is_one() -> None:
    found = {
        f"{kind.__name__}.{name}": field
        for kind in all_of(Input)
        for name, field in kind().fields.items()
        if name in NAMES and not field.read_only
    }
    assert len(found) >= 5
    assert [name for name, field in found.items() if not isinstance(field, NameInput)] == []


@pytest.mark.parametrize("text", BAD)
def test_each_entry_point_reports_a_bad_name_at_its_field(text: str) -> None:
    for field in (NameFormField(), LinesField(), TextsField()):
        typed = text if isinstance(field, NameFormField) else text.replace("\n", "\t")
        with pytest.raises(forms.ValidationError):
            field.clean(typed)
    with pytest.raises(serializers.ValidationError):
        NameInput().run_validation(text)
    with pytest.raises(Invalid) as refused:
        read_request({"name": text, "use": {"category": "methods", "institutions": ["fine", text], "project": "x"}})
    assert {"name", "use"} <= {name.partition(".")[0] for name in refused.value.fields}
    assert is_plain_line(_text(text))


def test_terms_on_offer_and_the_first_administrator_have_names_of_one_line() -> None:
    for where in ("organisation", "recipients", "institutions", "users", "projects", "families"):
        with pytest.raises(Invalid) as caught:
            _check_names({"members": [{where: ["fine", "a\u202eb"]}], "research": "two\nlines are a text"}, "terms")
        assert (caught.value.code, caught.value.field) == ("name.not_one_line", f"terms.members.0.{where}.1")
    _check_names({"research": "two\nlines are a text", "recipients": ["A"]}, "terms")


def test_a_form_says_it_in_the_form() -> None:
    form = OrganisationFactsForm({"name": "St. Gall\u202eus", "country": "CH", "kind": "hospital"})
    assert list(form.errors) == ["name"]
    assert "one line" in form.errors["name"][0]
