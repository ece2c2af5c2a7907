"""Finding the one thing that an address names."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

from rest.errors import NotFound

M = TypeVar("M", bound=Model)


def get_or_not_found(rows: QuerySet[M], noun: str) -> M:
    """The row that is left of those that may be seen. Raises the NotFound of this kind of thing where none is."""
    found = rows.first()
    if found is None:
        raise NotFound.of(noun)
    return found
