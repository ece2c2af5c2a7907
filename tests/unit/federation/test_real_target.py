"""A number as target: its figures, what of them is withheld, how those of many silos become one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model
import sklearn.metrics
import torch
from pydantic import ValidationError

from federation.aggregation.metric_pooling import Measured, combine
from federation.errors import Invalid
from federation.learning.data import ArrayData
from federation.learning.evaluate import evaluate
from federation.learning.specification import LocalTraining
from federation.learning.train import train
from federation.learning.weights import read_weights
from federation.protocol.documents import EvaluationReport
from federation.targets import Target, target_of
from federation.targets.base import REPORTED_MAX
from federation.targets.real import LABEL_MAX, MSE, R2
from federation.validation.bounds import FINITE_MAX
from tests.support.every import every
from tests.unit.federation.learning.conftest import make_start

REAL = target_of("real", None)


def three(value: float) -> float:
    return float(f"{value:.3g}")


def outputs(*numbers: float) -> list[tuple[slice, torch.Tensor]]:
    return [(slice(0, len(numbers)), torch.tensor(numbers, dtype=torch.float64)[:, None])]


def line(rows: int, seed: int = 0) -> ArrayData:
    """y = 20 + 3 a - 2 b, and noise."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, 2)).astype(np.float32)
    labels = (20 + features @ np.array([3.0, -2.0]) + random.normal(size=rows)).astype(np.float32)
    return ArrayData(features, labels, REAL)


def test_figures_agree_with_scikit_learn_to_three_digits() -> None:
    random = np.random.default_rng(3)
    labels = random.normal(250, 40, size=300).astype(np.float32)
    predicted = labels + random.normal(0, 20, size=300)
    found = REAL.measure(outputs(*predicted), labels, 5)
    assert found.figures == {
        "mse": three(sklearn.metrics.mean_squared_error(labels, predicted)),
        "mae": three(sklearn.metrics.mean_absolute_error(labels, predicted)),
        "r2": three(sklearn.metrics.r2_score(labels, predicted)),
    }
    assert not found.suppressed
    REAL.check(found.figures, 300)


def test_equal_labels_have_no_share_explained() -> None:
    found = REAL.measure(outputs(1.0, 3.0), np.array([2.0, 2.0], np.float32), 1)
    assert (found.figures, found.suppressed) == ({"mse": 1.0, "mae": 1.0}, True)


def test_a_very_bad_model_is_reported_within_bounds_and_one_beyond_them_not() -> None:
    labels = np.array([1.0, 1.0001], np.float32)
    assert REAL.measure(outputs(1e9, 1e9), labels, 1).figures["r2"] == R2.minimum
    for wrong in (1e16, math.inf, math.nan):
        with pytest.raises(Invalid) as caught:
            REAL.measure(outputs(wrong, 0.0), labels, 1)
        assert caught.value.code == "evaluation.not_finite"
    assert REPORTED_MAX == FINITE_MAX


@pytest.mark.parametrize(
    "figures",
    [
        {"mse": math.nan},
        {"mse": math.inf},
        {"mae": -1.0},
        {"mse": -0.001},
        {"r2": 1.001},
        {"r2": -2e6},
        {"mse": 1.2345},
        {"mae": 1234.0},
        {"r2": 0.0123},
        {"r2": 0.00012},
        {"accuracy": 0.5},
        {"confusion": ((1, 2), (3, 4))},
        {"mse": ((1,),)},
        {"mse": True},
    ],
)
def test_other_figures_are_refused(figures: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        REAL.check(figures, 100)
    assert caught.value.code == "evaluation.figures"


@pytest.mark.parametrize("value", [0.0, 1e-30, 1.23, 99.9, 1230.0, 1e30, 0.1 + 0.2, 12345.678])
def test_what_was_rounded_stays_as_it_is(value: float) -> None:
    for metric in every((MSE, R2)):
        assert metric.coarse(metric.coarse(value)) == metric.coarse(value)
    assert MSE.is_valid(MSE.coarse(value))
    assert MSE.coarse(value) == pytest.approx(value, rel=0.005)


def test_the_loss_of_training_is_informed_of_enough_rows_and_rounded() -> None:
    assert REAL.training_loss_disclosed(12.3456, 5, 5) == 12.3
    assert REAL.training_loss_disclosed(12.3456, 4, 5) is None
    assert REAL.training_loss_disclosed(math.inf, 100, 5) is None
    REAL.check_training_loss(12.3, 5, 5)
    for loss, rows in every(((12.3, 4), (12.34, 5), (-1.0, 5))):
        with pytest.raises(Invalid):
            REAL.check_training_loss(loss, rows, 5)
    two = target_of("binary", 2)
    assert two.training_loss_disclosed(0.123456, 1, 5) == 0.123456, "as it always was"


def reported(mse: float, mae: float, rows: int = 10) -> Measured:
    return Measured(f"organisation of {mse} {mae} {rows}", rows, {"mse": mse, "mae": mae, "r2": 0.5})


def test_over_silos_errors_are_means_over_rows_and_no_share_explained_is_made() -> None:
    found = combine(REAL, [reported(4.0, 1.0, 30), reported(8.0, 3.0, 10)], None)
    assert (found["mse"], found["mae"], found["silos"]) == (5.0, 1.5, 2)
    assert "r2" not in found


@pytest.mark.parametrize("liar", [1e30, 0.0])
def test_one_silo_does_not_own_the_mean(liar: float) -> None:
    honest = [reported(4.0, 1.0), reported(5.0, 1.1)]
    mse = combine(REAL, [*honest, reported(liar, liar)], None)["mse"]
    assert isinstance(mse, float)
    assert 3.0 <= mse <= (4.0 + 5.0 + 10 * 5.0) / 3


def test_a_silo_without_all_pooled_figures_does_not_count() -> None:
    assert combine(REAL, [Measured("a", 10, {"mse": 4.0})], None) == {}


def test_labels_are_finite_numbers_of_float32() -> None:
    labels, bad = REAL.labels_of(np.array([1.5, -LABEL_MAX, 1e13, -1e13]))
    assert labels.dtype == np.float32
    assert bad.tolist() == [False, False, True, True]
    with pytest.raises(NotImplementedError):
        target_of("binary", 2).labels_of(np.zeros(1))


def test_linear_regression_learns_what_least_squares_finds(tmp_path: Path) -> None:
    rows, start = line(400), make_start(tmp_path, {"family": "linear"}, n_features=2, target=REAL)
    local = LocalTraining(epochs=40, batch_size=40, learning_rate=0.02)
    update = tmp_path / "update"
    train(start.path, start.layout, start.begin, rows, local, 1, update, lambda: False)
    before, change = (read_weights(path, start.layout) for path in (start.path, update))
    weights = {name: before[name] + change[name] for name in before}
    exact = sklearn.linear_model.LinearRegression().fit(rows.features, rows.labels)
    assert weights["linear.weight"][0] == pytest.approx(exact.coef_, abs=0.1)
    assert weights["linear.bias"][0] == pytest.approx(exact.intercept_, abs=0.1)


def test_figures_of_too_few_rows_are_withheld_whole(tmp_path: Path) -> None:
    start = make_start(tmp_path, {"family": "linear"}, n_features=2, target=REAL)
    found = evaluate(start.path, start.layout, start.begin, line(4), 5)
    assert (found.rows, found.figures, found.suppressed) == (0, {}, True)
    found = evaluate(start.path, start.layout, start.begin, line(5), 5)
    assert set(found.figures) == {"mse", "mae", "r2"}


@pytest.mark.parametrize("target", [target_of("binary", 2), target_of("classes", 3)])
def test_linear_regression_is_for_numbers_alone(tmp_path: Path, target: Target) -> None:
    with pytest.raises(Invalid) as caught:
        make_start(tmp_path, {"family": "linear"}, n_features=2, target=target)
    assert caught.value.code == "model.does_not_fit"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e31", "1e400"])
def test_no_report_holds_what_is_no_number(value: str) -> None:
    with pytest.raises(ValidationError):
        EvaluationReport.model_validate_json(f'{{"rows": 10, "figures": {{"mse": {value}}}}}')
