"""The split is scikit-learn's, row for row."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from federation.protocol.dataset_steps import StratifiedShuffle
from silo_connector.trainer.data import DataError
from silo_connector.trainer.data.split import split_rows
from tests.support.examples import examples


def declared(fraction: float, seed: int) -> StratifiedShuffle:
    return StratifiedShuffle(method="stratified_shuffle", train_fraction=fraction, seed=seed)


@settings(max_examples=examples(300))
@example(counts=[3, 3], fraction=0.5, seed=0)
@example(counts=[1, 45], fraction=0.66, seed=43)
@example(counts=[7, 7, 7], fraction=0.5, seed=1)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    fraction=st.floats(0.05, 0.95),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_split_equals_that_of_scikit_learn(counts: list[int], fraction: float, seed: int) -> None:
    rows = sum(counts)
    target = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts)).astype(np.int64)
    n_train, n_test = math.floor(fraction * rows), math.ceil((1 - fraction) * rows)
    assume(n_train + n_test == rows)
    stratified = len(counts) > 1 and min(counts) >= 3
    assume(min(n_train, n_test) >= (len(counts) if stratified else 1))
    train, test = train_test_split(
        np.arange(rows),
        train_size=fraction,
        test_size=1 - fraction,
        random_state=seed,
        shuffle=True,
        stratify=target if stratified else None,
    )
    found = split_rows(declared(fraction, seed), target, Path("data"))
    assert np.flatnonzero(found).tolist() == sorted(train)
    assert np.flatnonzero(~found).tolist() == sorted(test)


def test_every_row_is_used_where_scikit_learn_fails() -> None:
    """0.7 and 1 - 0.7 of ten rows are 7 and (in floating point) a little more than 3, which it rounds up to 4."""
    with pytest.raises(ValueError, match="smaller than the number of samples"):
        train_test_split(np.arange(10), train_size=0.7, test_size=1 - 0.7)
    found = split_rows(declared(0.7, 1), np.array([0, 1] * 5), Path("data"))
    assert (found.sum(), (~found).sum()) == (7, 3)


@pytest.mark.parametrize(
    ("target", "fraction"), [([0], 0.5), ([0, 0, 0], 0.2), ([0] * 3 + [1] * 3, 0.2), ([0] * 3 + [1] * 3, 0.9)]
)
def test_too_few_rows_can_not_be_split(target: list[int], fraction: float) -> None:
    with pytest.raises(DataError) as caught:
        split_rows(declared(fraction, 0), np.array(target), Path("data"))
    assert caught.value.code == "data.no_rows"
