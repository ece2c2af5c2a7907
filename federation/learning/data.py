"""Rows as a model sees them: features and target, in numpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ArrayData:
    """Rows of one silo, ready for training or evaluation.

    `features` float32 [rows, features]; `target` int64 [rows], class numbers from 0 to `n_classes` - 1.
    """

    features: NDArray[np.float32]
    target: NDArray[np.int64]
    n_classes: int

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.target.shape != (len(self.features),):
            raise ValueError(f"features {self.features.shape} and target {self.target.shape} do not belong together")
        if self.features.dtype != np.float32 or self.target.dtype != np.int64:
            raise ValueError(f"features are float32 and target int64, not {self.features.dtype}, {self.target.dtype}")

    def __len__(self) -> int:
        return len(self.target)

    @property
    def n_features(self) -> int:
        """Number of columns of `features`."""
        return int(self.features.shape[1])
