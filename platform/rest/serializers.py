"""What comes in is read strictly; what goes out is written by plain serializers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request

from rest.errors import Unprocessable


def json_type_of(field: serializers.Field[Any, Any, Any, Any]) -> tuple[type, str]:
    """What a member has to be in JSON, and in words. REST framework itself takes 5 for "5" and 0 for false."""
    match field:
        case serializers.BooleanField():
            return bool, "true or false"
        case serializers.IntegerField():
            return int, "a whole number"
        case serializers.ListField():
            return list, "a list"
        case serializers.DictField():
            return dict, "an object"
        case _:
            return str, "a text"


class Input(serializers.Serializer[Any]):
    """The body of a request: a member that it doesn't know, or of another JSON type, is an error."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated values."""
        if isinstance(data, Mapping):
            unknown = {str(name): ["There is no such member."] for name in data if name not in self.fields}
            wrong = unknown | {name: errors for name, value in data.items() if (errors := self._mistyped(name, value))}
            if wrong:
                raise serializers.ValidationError(wrong)
        return super().to_internal_value(data)

    def _mistyped(self, name: str, value: Any) -> list[str]:
        """What is wrong with the JSON type of a member, or of one of its items."""
        field = self.fields.get(name)
        if field is None or value is None:
            return []
        kind, words = json_type_of(field)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            return [f"This must be {words}."]
        if isinstance(field, serializers.ListField) and isinstance(value, list):
            item_kind, item_words = json_type_of(field.child)
            return [] if all(isinstance(item, item_kind) for item in value) else [f"Each must be {item_words}."]
        return []


def validated(kind: type[Input], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The request's body as this kind reads it. Raises REST framework's ValidationError, a 422 `input.invalid`."""
    reader = kind(data=request.data, partial=partial)
    reader.is_valid(raise_exception=True)
    values: dict[str, Any] = reader.validated_data
    return values


def uuid_parameter(request: Request, name: str) -> UUID | None:
    """A query parameter that is an id, where it is there. Raises Unprocessable `input.invalid`."""
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise Unprocessable("input.invalid", "This is not an id.", name) from None
