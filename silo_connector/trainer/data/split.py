"""Which rows are for training and which for testing: scikit-learn's ``train_test_split``, row for row, without it.

Written out here because the split is part of a dataset's signed declaration: it must stay what it is when a library
moves on (numpy has frozen `RandomState`), and loading scikit-learn for it would cost each trainer seconds and 80 MB.
Tests hold it against the original.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.protocol.dataset_steps import StratifiedShuffle
from silo_connector.trainer.data.errors import DataError

_ROWS_A_CLASS_MIN = 3

Counts = NDArray[np.int64]


def split_rows(split: StratifiedShuffle, target: NDArray[np.int64], path: Path) -> NDArray[np.bool_]:
    """True for the rows that are for training; all others are for testing.

    Stratified by `target` unless a class has fewer than three rows. Where rounding of the two fractions would count a
    row twice or not at all, training gets the rounded-down share and testing the rest.
    Raises DataError ``data.no_rows`` when there are too few rows.
    """
    rows = len(target)
    n_train = math.floor(split.train_fraction * rows)
    counts = np.unique(target, return_counts=True)[1]
    stratified = len(counts) > 1 and int(counts.min()) >= _ROWS_A_CLASS_MIN
    if min(n_train, rows - n_train) < (len(counts) if stratified else 1):
        raise DataError("data.no_rows", f"{path}: {rows} rows are too few for the declared split.")
    random = np.random.RandomState(split.seed)
    is_train = np.zeros(rows, dtype=bool)
    is_train[_stratified(target, n_train, random) if stratified else random.permutation(rows)[rows - n_train :]] = True
    return is_train


def _stratified(target: NDArray[np.int64], n_train: int, random: np.random.RandomState) -> NDArray[np.int64]:
    """The rows for training: each class gives its share, by a shuffle of its own rows."""
    _, classes, counts = np.unique(target, return_inverse=True, return_counts=True)
    takes = _shares(counts, n_train, random)
    _shares(counts - takes, len(target) - n_train, random)  # only for the random numbers that it takes
    chosen = []
    for number, count in enumerate(counts):
        order = random.permutation(count)
        chosen.append(np.flatnonzero(classes == number)[order][: takes[number]])
    return np.concatenate(chosen)


def _shares(counts: Counts, draws: int, random: np.random.RandomState) -> Counts:
    """How many of `draws` each class gives, in proportion to its count; what rounding leaves goes to the largest
    remainders, ties at random."""
    exact = counts / counts.sum() * draws
    shares = np.floor(exact)
    remainders = exact - shares
    left = int(draws - shares.sum())
    for value in np.unique(remainders)[::-1]:
        if left <= 0:
            break
        tied = np.flatnonzero(remainders == value)
        tied = random.choice(tied, size=min(len(tied), left), replace=False)
        shares[tied] += 1
        left -= len(tied)
    whole: Counts = shares.astype(np.int64)
    return whole
