"""Two classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from federation.errors import Invalid
from federation.targets.base import Measured
from federation.targets.classification import ACCURACY, AUC, LOSS, Classification, OutputStatistics, area_under_curve

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Binary(Classification):
    """Class 0 or class 1. A model has one output (the log-odds of class 1) or two."""

    name = "binary"
    title = "Two classes"
    rank = 10
    metrics = (ACCURACY, LOSS, AUC)

    n_classes = 2
    n_outputs = 2
    output_columns = frozenset({1, 2})

    @classmethod
    def over(cls, n_classes: int | None) -> Self:
        """Over two classes."""
        if n_classes != 2:
            raise Invalid("target.classes", f"A binary target has two classes, not {n_classes}.", "target")
        return cls()

    def released(self, seen: OutputStatistics, labels: NDArray[np.int64], minimum_cell: int) -> Measured:
        """And the area under the ROC curve, where both classes are there."""
        measured = super().released(seen, labels, minimum_cell)
        area = area_under_curve(seen.score, labels)
        return measured if area is None else Measured({**measured.figures, "auc": area}, measured.suppressed)


TARGET = Binary
