"""The fields in which a job's purpose is declared, as agreements are compared with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from rest.names import NameFormField, typed_lines

_SEPARATORS = re.compile(r"[,;\n]+")
CATEGORIES = (
    ("", _("not declared")),
    ("general_research", _("research of any kind")),
    ("health", _("health, medical or biomedical research")),
    ("disease", _("research on named diseases")),
    ("population_origins", _("research on population origins or ancestry")),
    ("methods", _("development of methods")),
    ("clinical_care", _("clinical care")),
    ("credit_risk", _("credit risk")),
    ("fraud", _("fraud")),
    ("aml", _("anti-money laundering")),
    ("stress_testing", _("stress testing")),
)


class TextsField(forms.CharField):
    """A few words or codes, separated by commas."""

    def to_python(self, value: Any) -> Any:
        """The list."""
        if isinstance(value, list):
            return value
        return typed_lines(_SEPARATORS.split(super().to_python(value) or ""))


def purpose_fields() -> dict[str, forms.Field]:
    """A field for each part of a purpose. None is required: an agreement says what has to be declared."""
    return {
        "category": forms.ChoiceField(label=_("Kind of use"), choices=CATEGORIES, required=False),
        "diseases": TextsField(
            label=_("Diseases"), required=False, help_text=_("Codes such as ICD-10:I25.1 or MONDO:0005010")
        ),
        "project": NameFormField(label=_("Project"), max_length=200, required=False),
        "ethics_approval": NameFormField(
            label=_("Ethics approval"), max_length=200, required=False, help_text=_("Its reference")
        ),
        "countries": TextsField(
            label=_("Where results are used"), required=False, help_text=_("Country codes such as CH, DE")
        ),
        "institutions": TextsField(label=_("Who uses the results"), required=False, help_text=_("Organisations")),
        "publishes_from": forms.DateField(
            label=_("Published from"),
            required=False,
            localize=False,
            widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        ),
        "commercial": forms.BooleanField(label=_("Commercial use"), required=False),
        "for_profit": forms.BooleanField(label=_("For an organisation that works for profit"), required=False),
        "genetic": forms.BooleanField(label=_("A genetic study"), required=False),
        "publishes": forms.BooleanField(label=_("Results will be published"), required=False),
        "collaborates": forms.BooleanField(label=_("In collaboration with those who hold the data"), required=False),
        "returns_results": forms.BooleanField(label=_("Results are returned to the holders"), required=False),
        "restrictions_accepted": forms.BooleanField(
            label=_("Restrictions that the agreement states in words are complied with"), required=False
        ),
    }


def declared(given: Mapping[str, Any]) -> dict[str, Any]:
    """What was filled in, as a launch request says it; nothing at all where no kind of use was chosen."""
    by_name = {name: value for name, value in given.items() if value not in (None, "", [], False)}
    if (date := by_name.get("publishes_from")) is not None:
        by_name["publishes_from"] = date.isoformat()
    return by_name


def as_typed(use: Mapping[str, Any] | None) -> dict[str, Any]:
    """An earlier job's purpose as it would have been typed."""
    return {name: ", ".join(value) if _is_list(value) else value for name, value in (use or {}).items()}


def purpose_rows(use: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """A declared purpose for people: each part with its label. What was left open is left out."""
    fields, reported = purpose_fields(), []
    for name, value in (use or {}).items():
        if value in (None, "", [], False):
            continue
        by_name = dict(CATEGORIES).get(value, value) if name == "category" else value
        words = ", ".join(value) if _is_list(value) else _("yes") if value is True else by_name
        reported.append((str(fields[name].label), str(words)))
    return reported


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
