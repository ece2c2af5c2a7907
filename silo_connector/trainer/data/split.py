"""Which rows are for training and which for testing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.protocol.dataset_steps import StratifiedShuffle
from silo_connector.trainer.data.errors import DataError

_ROWS_A_CLASS_MIN = 3


def split_rows(split: StratifiedShuffle, target: NDArray[np.int64], path: Path) -> NDArray[np.bool_]:
    """True for the rows that are for training. Raises DataError ``data.no_rows`` when there are too few to split."""
    from sklearn.model_selection import train_test_split

    counts = np.unique(target, return_counts=True)[1]
    stratify = target if len(counts) > 1 and counts.min() >= _ROWS_A_CLASS_MIN else None
    try:
        train, _ = train_test_split(
            np.arange(len(target)),
            train_size=split.train_fraction,
            test_size=1 - split.train_fraction,
            random_state=split.seed,
            shuffle=True,
            stratify=stratify,
        )
    except ValueError as error:
        raise DataError("data.no_rows", f"{path}: {len(target)} rows can't be split: {error}") from error
    is_train = np.zeros(len(target), dtype=bool)
    is_train[train] = True
    return is_train
