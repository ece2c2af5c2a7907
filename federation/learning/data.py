"""Rows as a model sees them: features and labels, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.targets import Target


@dataclass(frozen=True)
class ArrayData:
    """Rows of one silo, ready for training or evaluation.

    `features` float32 [rows, features]; `labels` [rows] of the target's type: class numbers, or real numbers.
    """

    features: NDArray[np.float32]
    labels: NDArray[Any]
    target: Target

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.labels.shape != (len(self.features),):
            raise ValueError(f"features {self.features.shape} and labels {self.labels.shape} do not belong together")
        if self.features.dtype != np.float32 or self.labels.dtype != self.target.label_dtype:
            raise ValueError(f"features are float32, labels as the target has them, not {self.labels.dtype}")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def n_features(self) -> int:
        """Number of columns of `features`."""
        return int(self.features.shape[1])
