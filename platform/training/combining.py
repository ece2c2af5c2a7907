"""How a round's global model did over the silos: one figure from many, and what small numbers must not tell. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from training.models import Evaluation

COMBINATION = "mean over the silos' own test rows, each row counting once"


class Measured(Protocol):
    """How a model did at one silo: test rows, and what it said of them unless they were too few."""

    @property
    def rows(self) -> int: ...
    @property
    def accuracy(self) -> float | None: ...
    @property
    def loss(self) -> float | None: ...


def combine(evaluations: Iterable[Measured]) -> dict[str, object]:
    """Means over test rows, and how they were combined, in words; empty where no silo could tell."""
    found = [
        (evaluation.rows, evaluation.accuracy, evaluation.loss)
        for evaluation in evaluations
        if evaluation.rows and evaluation.accuracy is not None and evaluation.loss is not None
    ]
    rows = sum(count for count, _, _ in found)
    if not rows:
        return {}
    return {
        "accuracy": sum(accuracy * count for count, accuracy, _ in found) / rows,
        "loss": sum(loss * count for count, _, loss in found) / rows,
        "silos": len(found),
        "combination": COMBINATION,
    }


def confusion_shown(evaluation: Evaluation, minimum_cell: int) -> list[list[int]] | None:
    """The counts by class, unless one of them is small enough to point at somebody. The silo holds to it as well."""
    counts: list[list[int]] | None = evaluation.confusion
    if counts is None or any(0 < count < minimum_cell for row in counts for count in row):
        return None
    return counts
