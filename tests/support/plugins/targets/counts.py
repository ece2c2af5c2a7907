"""A target that only tests have: how often something happens, by Poisson regression."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from federation.errors import Invalid
from federation.targets.base import Better, Figures, Measured, Metric, Target

if TYPE_CHECKING:
    import torch

DEVIANCE = Metric(
    name="deviance",
    title="Deviance",
    description="Mean Poisson deviance on each silo's own test rows, after each round",
    better=Better.LOWER,
    minimum=0.0,
    digits=4,
    significant_digits=4,
)


@dataclass(frozen=True)
class Counts(Target):
    """Labels are whole numbers from 0 on (int64). A model's output is the logarithm of the rate."""

    name = "counts"
    title = "A count"
    label_dtype = "int64"
    metrics = (DEVIANCE,)
    primary = best_by = loss_figure = "deviance"
    n_classes = None
    n_outputs = 1

    @classmethod
    def over(cls, n_classes: int | None) -> Self:
        if n_classes is not None:
            raise Invalid("target.classes", "Counts have no classes.", "target")
        return cls()

    @classmethod
    def labels_of(cls, values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        bad = (values < 0) | (values != np.floor(values))
        return np.where(bad, 0, values).astype(np.int64), bad

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
        import torch

        return torch.nn.functional.poisson_nll_loss(outputs[:, 0], labels.to(outputs.dtype), reduction=reduction)

    def measure(
        self, outputs: Iterable[tuple[slice, torch.Tensor]], labels: NDArray[Any], minimum_cell: int
    ) -> Measured:
        rates = np.concatenate([np.exp(part[:, 0].numpy()) for _, part in outputs])
        logs = np.where(labels > 0, labels * np.log(np.maximum(labels, 1) / rates), 0.0)
        return Measured({"deviance": DEVIANCE.coarse(float(2 * np.mean(logs - (labels - rates))))}, suppressed=False)

    def points_at_few(self, figures: Figures, minimum_cell: int) -> bool:
        return False

    def training_loss_disclosed(self, loss: float, rows: int, minimum_cell: int) -> float | None:
        return None


TARGET = Counts
