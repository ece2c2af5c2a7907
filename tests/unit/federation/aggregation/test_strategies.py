"""Server strategies: their arithmetic against the papers' formulas, on whole arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federation.aggregation.combine.weighted_mean import PlaintextWeightedMean
from federation.aggregation.server_step import apply, state_layout
from federation.errors import Invalid
from federation.learning.weights import read_flat, read_weights
from federation.protocol.digests import digest_file
from federation.protocol.tensors import TensorSpec
from federation.strategies import STRATEGIES, parse_strategy
from tests.unit.federation.aggregation.conftest import LAYOUT, WORDS, put, put_all, vector


def mean_of(paths: list[Path]) -> PlaintextWeightedMean:
    return PlaintextWeightedMean([(path, 1.0 + place) for place, path in enumerate(paths)], LAYOUT, block_words=4096)


@pytest.mark.parametrize("name", ["fedavg", "fedprox"])
def test_the_mean_is_added(tmp_path: Path, name: str) -> None:
    start, flats = vector(9), [vector(1), vector(2)]
    global_path = put(tmp_path / "global", start)
    out = tmp_path / "next"
    applied = apply(parse_strategy({"name": name}), global_path, mean_of(put_all(tmp_path, flats)), None, out, None)
    mean = (flats[0].astype(np.float64) + 2 * flats[1].astype(np.float64)) / 3
    np.testing.assert_array_max_ulp(read_flat(out, LAYOUT), (start + mean).astype(np.float32), 1)
    assert applied.model_digest == digest_file(out)
    assert applied.model_size_bytes == out.stat().st_size
    assert applied.state_digest is None
    assert applied.norm_l2 == pytest.approx(np.linalg.norm(mean), rel=1e-12)


def test_equal_updates_move_the_model_by_that_update_exactly(tmp_path: Path) -> None:
    flat = vector(1)
    paths = put_all(tmp_path, [flat, flat])
    out = tmp_path / "next"
    total = PlaintextWeightedMean([(path, 5.0) for path in paths], LAYOUT)
    apply(parse_strategy({"name": "fedavg"}), put(tmp_path / "global", vector(9)), total, None, out, None)
    np.testing.assert_array_equal(read_flat(out, LAYOUT), vector(9) + flat)


def test_fedadam_matches_the_paper_over_rounds(tmp_path: Path) -> None:
    """Five rounds through files against Reddi et al. 2021, algorithm 2, on whole float64 arrays."""
    strategy = parse_strategy({"name": "fedadam", "learning_rate": 0.02, "beta1": 0.8, "beta2": 0.99, "tau": 1e-3})
    model, m, v = vector(9).astype(np.float64), np.zeros(WORDS), np.zeros(WORDS)
    path, state = put(tmp_path / "global", vector(9)), None
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        flats = [vector(10 * number + silo, scale=0.1) for silo in range(3)]
        out, out_state = folder / "model", folder / "state"
        applied = apply(strategy, path, mean_of(put_all(folder, flats)), state, out, out_state)
        delta = np.average(np.array(flats, dtype=np.float64), axis=0, weights=[1, 2, 3])
        m, v = 0.8 * m + 0.2 * delta, 0.99 * v + 0.01 * delta**2
        step = 0.02 * m / (np.sqrt(v) + 1e-3)
        model += step
        assert applied.norm_l2 == pytest.approx(np.linalg.norm(step), rel=1e-5)
        assert applied.state_digest == digest_file(out_state)
        path, state = out, out_state
    np.testing.assert_allclose(read_flat(path, LAYOUT), model, rtol=1e-5, atol=1e-6)
    assert state is not None
    moments = read_weights(state, state_layout(strategy, LAYOUT))
    np.testing.assert_allclose(moments["m"], m, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(moments["v"], v, rtol=1e-5, atol=1e-9)


def test_the_first_step_of_fedadam_is_the_same_for_every_parameter_but_its_sign(tmp_path: Path) -> None:
    """With m and v from 0 and no correction: lr (1 - b1) d / sqrt((1 - b2) d^2) = lr 0.1 / sqrt(0.001) sign(d)."""
    out, out_state = tmp_path / "next", tmp_path / "state"
    global_path = put(tmp_path / "global", np.zeros(WORDS, np.float32))
    total = mean_of(put_all(tmp_path, [vector(1)]))
    apply(parse_strategy({"name": "fedadam"}), global_path, total, None, out, out_state)
    np.testing.assert_allclose(read_flat(out, LAYOUT), np.sign(vector(1)) * 0.01 * 0.1 / np.sqrt(0.001), rtol=2e-3)


def test_a_state_of_another_model_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    state = put(tmp_path / "state", vector(1, 6), (TensorSpec("m", (3,)), TensorSpec("v", (3,))))
    out, out_state = tmp_path / "next", tmp_path / "next-state"
    with pytest.raises(Invalid) as caught:
        apply(
            parse_strategy({"name": "fedadam"}),
            put(tmp_path / "global", vector(9)),
            mean_of(put_all(tmp_path, [vector(1)])),
            state,
            out,
            out_state,
        )
    assert caught.value.code == "model.layout"
    assert not out.exists()
    assert not out_state.exists()


def test_a_model_that_would_overflow_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    flat = np.full(WORDS, 3e38, np.float32)
    out = tmp_path / "next"
    with pytest.raises(Invalid) as caught:
        apply(
            parse_strategy({"name": "fedavg"}),
            put(tmp_path / "g", flat),
            mean_of(put_all(tmp_path, [flat])),
            None,
            out,
            None,
        )
    assert caught.value.code == "aggregation.not_finite"
    assert not out.exists()


def test_a_strategy_with_state_needs_a_place_for_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a place"):
        apply(parse_strategy({"name": "fedadam"}), tmp_path, mean_of([tmp_path]), None, tmp_path / "next", None)


@pytest.mark.parametrize(
    ("data", "code", "field"),
    [
        ({}, "strategy.unknown", "strategy.name"),
        ({"name": "median"}, "strategy.unknown", "strategy.name"),
        ({"name": ["fedavg"]}, "strategy.unknown", "strategy.name"),
        ({"name": "fedavg", "learning_rate": 1}, "strategy.invalid", "strategy.learning_rate"),
        ({"name": "fedprox", "proximal_mu": -1}, "strategy.invalid", "strategy.proximal_mu"),
        ({"name": "fedadam", "beta1": 1.0}, "strategy.invalid", "strategy.beta1"),
        ({"name": "fedadam", "tau": 0}, "strategy.invalid", "strategy.tau"),
        ({"name": "fedadam", "learning_rate": float("nan")}, "strategy.invalid", "strategy.learning_rate"),
    ],
)
def test_strategies_refuse_wrong_settings(data: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_strategy(data)
    assert (caught.value.code, caught.value.field) == (code, field)


def test_every_strategy_describes_itself_and_survives_the_manifest() -> None:
    for name, kind in STRATEGIES.items():
        strategy = parse_strategy({"name": name})
        assert parse_strategy(strategy.model_dump(mode="json")) == strategy
        assert kind.when_to_use.endswith(".")
        assert kind.model_json_schema()["properties"]["name"]["const"] == name


def test_only_fedprox_fixes_something_of_local_training() -> None:
    assert parse_strategy({"name": "fedprox", "proximal_mu": 0.3}).local_settings == {"proximal_mu": 0.3}
    assert parse_strategy({"name": "fedprox", "proximal_mu": 0}).local_settings == {}
    assert parse_strategy({"name": "fedavg"}).local_settings == {}
    assert parse_strategy({"name": "fedadam"}).local_settings == {}


def test_fedadam_starts_as_the_paper_and_the_published_runs_do() -> None:
    strategy = parse_strategy({"name": "fedadam"})
    assert strategy.model_dump() == {
        "name": "fedadam",
        "learning_rate": 0.01,
        "beta1": 0.9,
        "beta2": 0.999,
        "tau": 1e-8,
    }
