"""Form fields made from a JSON Schema: a new model family or strategy has its form at once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _

from rest.pages import in_words

LIST_LENGTH_MAX = 1000
_NUMBERS = re.compile(r"[\s,;]+")


class NumbersField(forms.CharField):
    """Whole numbers, separated by commas."""

    def to_python(self, value: Any) -> Any:
        """The list. Raises ValidationError for what is no number."""
        text = super().to_python(value) or ""
        try:
            return [int(part) for part in _NUMBERS.split(text.strip()) if part][:LIST_LENGTH_MAX]
        except ValueError:
            raise forms.ValidationError(_("Whole numbers, separated by commas."), code="invalid") from None


def fields_of(schema: Mapping[str, Any], leave_out: tuple[str, ...] = ()) -> dict[str, forms.Field]:
    """A field for each member that may be chosen. None is required: what is left empty keeps its default."""
    members: Mapping[str, Mapping[str, Any]] = schema.get("properties", {})
    return {
        name: _field(name, _without_null(member))
        for name, member in members.items()
        if name not in leave_out and "const" not in member
    }


def _without_null(member: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a nullable member is when it is not null."""
    choices = [choice for choice in member.get("anyOf", ()) if choice.get("type") != "null"]
    return {**member, **choices[0]} if len(choices) == 1 else member


def _field(name: str, member: Mapping[str, Any]) -> forms.Field:
    """One field, with the bounds and the default that the schema reports."""
    shared: dict[str, Any] = {
        "label": _(label_of(name)),
        "required": False,
        "initial": _shown(member.get("default")),
        "help_text": in_words(member.get("description", "")),
    }
    bounds: dict[str, Any] = {"min_value": member.get("minimum"), "max_value": member.get("maximum")}
    match member.get("type"):
        case "boolean":
            return forms.BooleanField(**shared)
        case "integer":
            return forms.IntegerField(**shared, **bounds)
        case "number":
            return forms.FloatField(**shared, **bounds, widget=forms.NumberInput(attrs={"step": "any"}))
        case "array":
            return NumbersField(
                **{**shared, "help_text": shared["help_text"] or _("Whole numbers, separated by commas")}
            )
        case _ if "enum" in member:
            return forms.ChoiceField(**shared, choices=[(value, value) for value in member["enum"]])
        case _:
            return forms.CharField(**shared)


def label_of(name: str) -> str:
    """How a setting is called where people fill it in."""
    return name.replace("_", " ").capitalize()


def _shown(default: Any) -> Any:
    return ", ".join(str(item) for item in default) if isinstance(default, list) else default
