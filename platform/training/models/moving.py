"""Rows whose state changes as a table of transitions says, and not otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django.db import models

from training.transitions import S, sources

M = TypeVar("M", bound=models.Model)


class MovingQuerySet(models.QuerySet[M], Generic[M, S]):
    """Rows with a `state`. What the table does not allow is passed over, however the row came to be selected."""

    table: ClassVar[Mapping[Any, frozenset[Any]]]

    def move(self, to: S, **fields: object) -> int:
        """Change the state of those of these rows from which it may become `to`, with other fields; how many did."""
        return self.filter(state__in=sources(self.table, to)).update(state=to, **fields)
