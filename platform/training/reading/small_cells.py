"""What small numbers must not reveal. Pure."""

from __future__ import annotations

from training.models import Evaluation


def table_unless_small(evaluation: Evaluation, name: str, minimum_cell: int) -> list[list[int]] | None:
    """A table of counts, unless one of them is small enough to point at somebody. The silo holds to it as well."""
    counts: list[list[int]] | None = evaluation.figures.get(name)
    if counts is None or any(0 < count < minimum_cell for row in counts for count in row):
        return None
    return counts
