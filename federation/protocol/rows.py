"""How a silo reports how many rows it has: coarsely, and what its word is held to afterwards."""

from __future__ import annotations

import math
from dataclasses import dataclass


def coarse(rows: int) -> int:
    """A number of rows as it may be disclosed: two significant digits, and tens at the finest; halves go up."""
    step = _step(rows)
    return (rows + step // 2) // step * step


def upper_edge(rows_coarse: int) -> int:
    """The largest number of rows that is reported as this coarse figure: the upper edge of its class."""
    return rows_coarse + _step(rows_coarse) // 2 - 1


def _step(rows: int) -> int:
    return int(10 ** max(1, len(str(rows)) - 2))


@dataclass(frozen=True)
class RowLimits:
    """What a silo's rows are held to in a job. No limit is what manifests of protocol 1.0 meant.

    `rows_max` is the upper edge of what it registered: more is not believed. `weight_max` is the largest weight that
    the manifest gives it: more is believed, and counts no more.
    """

    rows_max: float = math.inf
    weight_max: float = math.inf

    @classmethod
    def of(cls, rows_coarse: int | None, weight_max: int | None) -> RowLimits:
        """The limits of a cohort member, None where its manifest says nothing."""
        return cls(
            math.inf if rows_coarse is None else upper_edge(rows_coarse), math.inf if weight_max is None else weight_max
        )

    def weight(self, rows: int) -> int:
        """The weight of so many rows in a sum: trainer and platform ask here, and nobody else weighs."""
        return rows if rows <= self.weight_max else int(self.weight_max)

    def believed(self, rows: int) -> int:
        """As many of these rows as the registration covers: what an honest silo reports where its data have grown."""
        return rows if rows <= self.rows_max else int(self.rows_max)


NO_LIMITS = RowLimits()
