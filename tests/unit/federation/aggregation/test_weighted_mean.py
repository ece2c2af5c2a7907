"""The weighted mean of updates in files, against numpy on whole arrays."""

from __future__ import annotations

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from federation.aggregation.combine import CombinedUpdate, UpdatesRejectedError
from federation.aggregation.combine.weighted_mean import PlaintextWeightedMean
from federation.errors import Invalid
from federation.protocol.tensors import TensorSpec
from tests.support.every import every
from tests.support.examples import examples
from tests.unit.federation.aggregation.conftest import BLOCK, LAYOUT, WORDS, put, put_all, vector


def collect(total: CombinedUpdate) -> NDArray[np.float64]:
    """The whole mean, from its blocks."""
    parts: list[NDArray[np.float64]] = []
    at = 0
    for offset, block in total.blocks():
        assert offset == at
        assert block.dtype == np.float64
        parts.append(block.copy())
        at += len(block)
    return np.concatenate(parts) if parts else np.empty(0)


@settings(max_examples=examples(25), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(weights=st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=6))
def test_combiner_yields_the_weighted_mean(tmp_path: Path, weights: list[float]) -> None:
    flats = [vector(seed) for seed in range(len(weights))]
    total = PlaintextWeightedMean(list(zip(put_all(tmp_path, flats), weights, strict=True)), LAYOUT)
    found = collect(total)
    expected = np.average(np.array(flats, dtype=np.float64), axis=0, weights=weights)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert total.norm_l2 == pytest.approx(np.linalg.norm(expected), rel=1e-12)
    for figures, flat in every(zip(total.figures, flats, strict=True)):
        wide = flat.astype(np.float64)
        assert figures.norm_l2 == pytest.approx(np.linalg.norm(wide), rel=1e-12)
        cosine = wide @ expected / np.linalg.norm(wide) / np.linalg.norm(expected)
        assert figures.cosine_to_mean == pytest.approx(cosine, abs=1e-5)


@pytest.mark.parametrize("words", [1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK])
def test_the_size_of_blocks_does_not_change_a_bit(tmp_path: Path, words: int) -> None:
    layout = (TensorSpec("a", (words,)),)
    updates = [
        (path, 2.0 + place)
        for place, path in enumerate(put_all(tmp_path, [vector(s, words) for s in range(3)], layout))
    ]
    whole = collect(PlaintextWeightedMean(updates, layout, block_words=words + BLOCK))
    parts = collect(PlaintextWeightedMean(updates, layout, block_words=BLOCK))
    assert whole.tobytes() == parts.tobytes()


def test_only_the_proportions_of_weights_matter(tmp_path: Path) -> None:
    paths = put_all(tmp_path, [vector(1), vector(2)])
    one = collect(PlaintextWeightedMean([(paths[0], 1.0), (paths[1], 3.0)], LAYOUT))
    other = collect(PlaintextWeightedMean([(paths[0], 128.0), (paths[1], 384.0)], LAYOUT))
    assert one.tobytes() == other.tobytes()


def test_a_zero_update_has_no_cosine(tmp_path: Path) -> None:
    paths = put_all(tmp_path, [vector(1), np.zeros(WORDS, np.float32)])
    total = PlaintextWeightedMean([(path, 1.0) for path in paths], LAYOUT)
    collect(total)
    assert total.figures[1].norm_l2 == 0.0
    assert total.figures[1].cosine_to_mean is None
    assert total.figures[0].cosine_to_mean == pytest.approx(1.0)


def test_an_empty_model_has_an_empty_mean(tmp_path: Path) -> None:
    layout = (TensorSpec("nothing", (0,)),)
    total = PlaintextWeightedMean([(put(tmp_path / "u", np.empty(0, np.float32), layout), 1.0)], layout)
    assert len(collect(total)) == 0
    assert total.figures[0].norm_l2 == 0.0


@pytest.mark.parametrize("place", [0, BLOCK, 3 * BLOCK + 5])
@pytest.mark.parametrize(("value", "code"), [(np.nan, "not_finite"), (np.inf, "not_finite"), (1e6, "norm_exceeded")])
def test_one_pass_finds_all_that_is_wrong(tmp_path: Path, place: int, value: float, code: str) -> None:
    layout = (TensorSpec("a", (3 * BLOCK + 6,)),)
    flats = [vector(seed, layout[0].size) for seed in range(5)]
    flats[1][place] = value
    flats[3][-1] = np.nan
    paths = put_all(tmp_path, flats, layout)
    paths[4].write_bytes(paths[4].read_bytes()[:-4])
    total = PlaintextWeightedMean([(path, 1.0) for path in paths], layout, norm_max=1e4, block_words=BLOCK)
    with pytest.raises(UpdatesRejectedError) as caught:
        collect(total)
    assert {at: reason.code for at, reason in caught.value.reasons.items()} == {
        1: f"update.{code}",
        3: "update.not_finite",
        4: "update.truncated",
    }
    assert total.figures == []


@pytest.mark.parametrize("place", [0, 2 * BLOCK])
def test_what_goes_wrong_on_the_way_is_found_without_a_broken_file_too(tmp_path: Path, place: int) -> None:
    layout = (TensorSpec("a", (3 * BLOCK,)),)
    flats = [vector(seed, layout[0].size) for seed in range(3)]
    flats[0][place] = np.nan
    flats[2][-1] = 1e9
    total = PlaintextWeightedMean([(path, 1.0) for path in put_all(tmp_path, flats, layout)], layout, 1e4, BLOCK)
    with pytest.raises(UpdatesRejectedError) as caught:
        collect(total)
    assert {at: reason.code for at, reason in caught.value.reasons.items()} == {
        0: "update.not_finite",
        2: "update.norm_exceeded",
    }


def test_without_a_bound_nan_is_rejected_all_the_same(tmp_path: Path) -> None:
    flat = vector(1)
    flat[5] = np.nan
    with pytest.raises(UpdatesRejectedError):
        collect(PlaintextWeightedMean([(put(tmp_path / "u", flat), 1.0)], LAYOUT))


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_weights_are_positive_and_finite(tmp_path: Path, weight: float) -> None:
    with pytest.raises(Invalid) as caught:
        PlaintextWeightedMean([(tmp_path / "u", weight)], LAYOUT)
    assert caught.value.code == "aggregation.weight"


def test_a_mean_of_no_updates_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        PlaintextWeightedMean([], LAYOUT)
    assert caught.value.code == "aggregation.nothing_to_sum"


def test_memory_does_not_grow_with_the_model(tmp_path: Path) -> None:
    """Eight silos, 4 MB and 16 MB each: the peak is that of the blocks both times, far below one model a silo."""
    peaks = []
    for words in (1 << 20, 1 << 22):
        layout = (TensorSpec("a", (words,)),)
        path = put(tmp_path / f"u{words}", vector(1, words), layout)
        total = PlaintextWeightedMean([(path, 1.0)] * 8, layout)
        tracemalloc.start()
        for _ in total.blocks():
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 10 << 20


def test_many_silos_share_the_same_room(tmp_path: Path) -> None:
    layout = (TensorSpec("a", (1 << 17,)),)
    path = put(tmp_path / "u", vector(1, 1 << 17), layout)
    tracemalloc.start()
    found = collect(PlaintextWeightedMean([(path, 1.0)] * 200, layout))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(found, vector(1, 1 << 17), rtol=1e-12)
    assert peak < 24 << 20
