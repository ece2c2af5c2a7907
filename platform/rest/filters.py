"""What lists may be narrowed to: the base of every filter."""

from __future__ import annotations

import django_filters


class FilterSet(django_filters.FilterSet):  # type: ignore[misc]  # the library has no types
    """Named filters over a model's rows; each is declared, none is derived from a column."""
