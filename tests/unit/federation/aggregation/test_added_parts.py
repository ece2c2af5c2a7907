"""A strategy and a combiner that somebody adds as a file each: found, offered and used, with no change elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from federation.aggregation.aggregate import Accepted, Contribution, aggregate, check_fit
from federation.aggregation.combine import COMBINERS, Combiner
from federation.errors import Invalid
from federation.learning.specification import CLIENT_HOOKS, check_client_hooks
from federation.learning.weights import read_flat
from federation.protocol.rows import RowLimits
from federation.strategies import STRATEGIES, UpdatesNeeded, parse_strategy
from federation.strategies.weighting import weight_of
from tests.support.plugins.added import add_parts
from tests.unit.federation.aggregation.conftest import LAYOUT, put, put_all, vector


def test_what_stands_is_found_in_the_order_in_which_it_is_offered() -> None:
    assert list(STRATEGIES) == ["fedavg", "fedprox", "fedadam"]
    assert list(COMBINERS) == ["weighted_mean"]
    for strategy in STRATEGIES.values():
        assert strategy.updates_needed is UpdatesNeeded.SUMS
        assert strategy.combiner in COMBINERS
        assert set(strategy.client_hooks) <= CLIENT_HOOKS


def test_a_strategy_and_a_combiner_are_added_by_a_file_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        add_parts(patched)
        assert list(STRATEGIES) == ["half_median", "fedavg", "fedprox", "fedadam"]
        strategy = parse_strategy({"name": "half_median"})
        flats = [vector(1), vector(2), vector(3, scale=1e3)]
        updates = [
            Contribution(path.name, path, weight_of(strategy.weighting, rows, RowLimits()))
            for path, rows in zip(put_all(tmp_path, flats), (10, 1000, 100_000), strict=True)
        ]
        done = aggregate(
            strategy,
            COMBINERS[strategy.combiner],
            put(tmp_path / "g", vector(9)),
            updates,
            LAYOUT,
            1e9,
            None,
            tmp_path,
        )
        expected = vector(9) + 0.5 * np.median(np.array(flats, dtype=np.float64), axis=0)
        np.testing.assert_allclose(read_flat(done.model_path, LAYOUT), expected, rtol=1e-5, atol=1e-6)
        assert done.accepted == tuple(Accepted(f"update-{place}", None, None) for place in range(3))
    assert list(STRATEGIES) == ["fedavg", "fedprox", "fedadam"]


def test_a_strategy_that_looks_at_single_updates_works_with_no_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    add_parts(monkeypatch)
    opened = COMBINERS["weighted_mean"]
    sums_only = Combiner("opened_sum", UpdatesNeeded.SUMS, opened.combine)
    check_fit(parse_strategy({"name": "fedadam"}), sums_only)
    with pytest.raises(Invalid) as caught:
        check_fit(parse_strategy({"name": "half_median"}), sums_only)
    assert caught.value.code == "strategy.needs_single_updates"


def test_a_strategy_that_needs_more_than_silos_can_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid) as caught:
        check_client_hooks(["proximal_term", "control_variates"])
    assert (caught.value.code, caught.value.field) == ("strategy.client_hook", "strategy.name")
    strategy = parse_strategy({"name": "fedavg"})
    monkeypatch.setattr(type(strategy), "uploads", ("update", "control_variates"))
    with pytest.raises(Invalid) as refused:
        check_fit(strategy, COMBINERS["weighted_mean"])
    assert refused.value.code == "strategy.uploads"


def test_the_bounds_hold_whatever_a_strategy_makes_of_rows() -> None:
    class Greedy:
        name = "greedy"

        def of_rows(self, rows: int) -> int:
            return 1000 * rows

    rows = parse_strategy({"name": "fedavg"}).weighting
    limits = RowLimits.of(100, 40)
    assert [weight_of(rows, count, limits) for count in (1, 40, 41, 10**6)] == [1, 40, 40, 40]
    assert [weight_of(Greedy(), count, limits) for count in (1, 40, 10**6)] == [1, 40, 40]
    assert weight_of(Greedy(), 7, RowLimits()) == 7
