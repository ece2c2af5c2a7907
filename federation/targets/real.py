"""A number, such as a concentration: what regression predicts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from federation.errors import Invalid
from federation.targets.base import Better, Figure, Figures, Measured, Metric, Target, check_finite

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

DIGITS = 3
"""Significant digits with which a silo reports how far a model is off. docs/adr/0049 says what more would reveal."""
TIMES_MEDIAN = 10.0
R2_LOWEST = -1e6
"""A model that is worse than this is reported as being so bad."""
LABEL_MAX = 1e12
"""Beyond this no label lies: squares of differences, and their sums, stay finite in float32."""

MSE = Metric(
    name="mse",
    title="Mean squared error",
    called="mean squared error",
    description="Mean squared difference between each silo's own test values and the model's, after each round",
    better=Better.LOWER,
    minimum=0.0,
    digits=DIGITS,
    significant_digits=DIGITS,
    counts_at_most_times_median=TIMES_MEDIAN,
)
MAE = Metric(
    name="mae",
    title="Mean absolute error",
    called="mean absolute error",
    description="Mean distance between each silo's own test values and the model's, after each round",
    better=Better.LOWER,
    minimum=0.0,
    digits=DIGITS,
    significant_digits=DIGITS,
    counts_at_most_times_median=TIMES_MEDIAN,
)
R2 = Metric(
    name="r2",
    title="R²",
    called="R² (share of variance explained)",
    description="Share of the variance of each silo's own test values that the model explains, after each round",
    better=Better.HIGHER,
    minimum=R2_LOWEST,
    maximum=1.0,
    digits=DIGITS,
    significant_digits=DIGITS,
    decimals_disclosed=DIGITS,
    not_pooled_reason="It can't be computed from the silos' own figures. Each silo's is under silos.",
)


@dataclass(frozen=True)
class Real(Target):
    """Labels are numbers (float32). A model has one output: the number that it predicts."""

    name = "real"
    title = "A number"
    rank = 30
    label_dtype = "float32"
    metrics = (MAE, MSE, R2)
    primary = "mae"
    best_by = "mse"
    loss_figure = "mse"

    n_classes = None
    n_outputs = 1

    @classmethod
    def over(cls, n_classes: int | None) -> Self:
        """Over no classes."""
        if n_classes is not None:
            raise Invalid("target.classes", f"A real target has no classes, and {n_classes} are named.", "target")
        return cls()

    @classmethod
    def labels_of(cls, values: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """The numbers in float32; none beyond `LABEL_MAX`."""
        import numpy as np

        bad = np.abs(values) > LABEL_MAX
        return np.where(bad, 0.0, values).astype(np.float32), bad

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
        """Squared error of [rows, 1] numbers."""
        import torch

        return torch.nn.functional.mse_loss(outputs[:, 0], labels.to(outputs.dtype), reduction=reduction)

    def measure(
        self, outputs: Iterable[tuple[slice, torch.Tensor]], labels: NDArray[Any], minimum_cell: int
    ) -> Measured:
        """Errors and R², rounded as they may leave. R² is withheld where all labels are equal: there is none then."""
        import numpy as np

        predicted = np.empty(len(labels))
        for part, numbers in outputs:
            predicted[part] = numbers[:, 0].numpy()
        wanted = labels.astype(np.float64)
        off = predicted - wanted
        squared, absolute = float(np.mean(off**2)), float(np.mean(np.abs(off)))
        check_finite(squared)
        variance = float(np.mean((wanted - wanted.mean()) ** 2))
        figures: dict[str, Figure] = {"mse": MSE.coarse(squared), "mae": MAE.coarse(absolute)}
        if variance > 0:
            figures["r2"] = R2.coarse(max(R2_LOWEST, 1.0 - squared / variance))
        return Measured(figures, suppressed="r2" not in figures)

    def points_at_few(self, figures: Figures, minimum_cell: int) -> bool:
        """No: all are of all rows."""
        del figures, minimum_cell
        return False

    def training_loss_disclosed(self, loss: float, rows: int, minimum_cell: int) -> float | None:
        """Of the minimum cell or more rows, rounded; of one row and a known model it would reveal that row's value."""
        return MSE.coarse(loss) if rows >= minimum_cell and MSE.is_valid(MSE.coarse(loss)) else None


TARGET = Real
