"""What lists may be narrowed to: the base of every filter."""

from __future__ import annotations

from typing import Any

import django_filters
from django import forms


class FilterSet(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    """Named filters over a model's rows; each is declared, none is derived from a column."""


class YesNoField(forms.Field):
    """`true` or `false`, and nothing else; Django's own takes whatever it doesn't know for nothing said."""

    def to_python(self, value: Any) -> bool | None:
        """Yes, no, or None where nothing was said. Raises ValidationError."""
        if value in (None, ""):
            return None
        by_name = {"true": True, "false": False}.get(str(value).lower())
        if by_name is None:
            raise forms.ValidationError("true or false.", code="invalid")
        return by_name


class YesNoFilter(django_filters.BooleanFilter):  # type: ignore[misc]
    """A filter that is on, off, or not asked for."""

    field_class = YesNoField
