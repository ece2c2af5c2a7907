"""Form fields from JSON Schemas."""

from __future__ import annotations

import pytest
from django import forms

from federation.learning.specification import LocalTraining
from tests.support.every import every
from training.launch.choices import model_families, strategies
from training.launch.schema_fields import NumbersField, fields_of


def test_each_type_has_its_field_with_bounds_and_default() -> None:
    fields = fields_of(
        {
            "properties": {
                "family": {"const": "x"},
                "depth": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
                "rate": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
                "widths": {"type": "array", "items": {"type": "integer"}, "default": [4, 2]},
                "kind": {"enum": ["a", "b"], "default": "b"},
                "bias": {"type": "boolean", "default": True},
                "secret": {"type": "string"},
            }
        },
        leave_out=("secret",),
    )
    assert set(fields) == {"depth", "rate", "widths", "kind", "bias"}
    assert not any(field.required for field in fields.values())
    depth, kind = fields["depth"], fields["kind"]
    assert isinstance(depth, forms.IntegerField)
    assert (depth.min_value, depth.max_value, depth.initial) == (1, 9, 3)
    assert isinstance(fields["rate"], forms.FloatField)
    assert fields["widths"].initial == "4, 2"
    assert isinstance(kind, forms.ChoiceField)
    assert kind.initial == "b"


@pytest.mark.parametrize(("text", "numbers"), [("8, 4", [8, 4]), ("8;4 2", [8, 4, 2]), ("", []), (" , ", [])])
def test_numbers_are_read_as_people_write_them(text: str, numbers: list[int]) -> None:
    assert NumbersField(required=False).clean(text) == numbers


@pytest.mark.parametrize("text", ["eight", "1.5", "1e3", "9" * 5000])
def test_what_is_no_number_is_reported(text: str) -> None:
    with pytest.raises(forms.ValidationError):
        NumbersField(required=False).clean(text)


def test_everything_on_offer_can_be_asked_for_in_a_form() -> None:
    for choice in every((*model_families(), *strategies())):
        chosen = {name for name, member in choice.settings["properties"].items() if "const" not in member}
        assert set(fields_of(choice.settings)) == chosen
    assert {"epochs", "steps", "batch_size", "optimiser"} <= set(fields_of(LocalTraining.model_json_schema()))
