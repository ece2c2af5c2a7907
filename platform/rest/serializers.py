"""What comes in is read strictly; what goes out is written by plain serializers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request

from rest.errors import Unprocessable


class Input(serializers.Serializer[Any]):
    """The body of a request: a member that it doesn't know is an error, not a thing to pass over."""

    def to_internal_value(self, data: Any) -> Any:
        """The validated values."""
        if isinstance(data, Mapping):
            unknown = {str(name): ["There is no such member."] for name in data if name not in self.fields}
            if unknown:
                raise serializers.ValidationError(unknown)
        return super().to_internal_value(data)


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
