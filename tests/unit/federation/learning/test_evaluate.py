"""Evaluation: figures as scikit-learn gives them, small cells withheld."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import Invalid
from federation.learning import evaluate as module
from federation.learning.data import ArrayData
from federation.learning.evaluate import Evaluation, evaluate
from federation.learning.weights import read_weights, write_weights
from federation.targets.classification import area_under_curve
from tests.unit.federation.learning.conftest import Start, blobs, make_start


def run(start: Start, data: ArrayData, minimum_cell: int = 1) -> Evaluation:
    return evaluate(start.path, start.layout, start.begin, data, minimum_cell)


def logits(start: Start, data: ArrayData) -> Any:
    weights = read_weights(start.path, start.layout)
    built = start.family.build(start.spec, data.n_features, data.target)
    built.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return built(torch.from_numpy(data.features)).detach().double().numpy()


def test_two_classes_agree_with_scikit_learn(logistic: Start) -> None:
    data = blobs(101)
    score = logits(logistic, data)[:, 0]
    chance = 1 / (1 + np.exp(-score))
    found = run(logistic, data)
    assert found.rows == 101
    assert found.figures["accuracy"] == sklearn.metrics.accuracy_score(data.labels, chance > 0.5)
    assert found.figures["loss"] == pytest.approx(sklearn.metrics.log_loss(data.labels, chance), rel=1e-9)
    assert found.figures["auc"] == pytest.approx(sklearn.metrics.roc_auc_score(data.labels, score), rel=1e-12)
    assert found.figures["confusion"] == tuple(
        map(tuple, sklearn.metrics.confusion_matrix(data.labels, chance > 0.5).tolist())
    )
    assert not found.suppressed


@pytest.mark.parametrize("model", [{"family": "softmax"}, {"family": "mlp", "hidden": [5]}])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_any_classes_agree_with_scikit_learn(tmp_path: Path, model: dict[str, Any], n_classes: int) -> None:
    data = blobs(120, n_classes=n_classes)
    start = make_start(tmp_path, model, n_classes=n_classes)
    scores = logits(start, data)
    chances = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    found = run(start, data)
    assert found.figures["accuracy"] == sklearn.metrics.accuracy_score(data.labels, scores.argmax(1))
    assert found.figures["loss"] == pytest.approx(sklearn.metrics.log_loss(data.labels, chances), rel=1e-6)
    matrix = sklearn.metrics.confusion_matrix(data.labels, scores.argmax(1), labels=range(n_classes))
    assert found.figures["confusion"] == tuple(map(tuple, matrix.tolist()))
    if n_classes == 2:
        assert found.figures["auc"] == pytest.approx(
            sklearn.metrics.roc_auc_score(data.labels, chances[:, 1]), rel=1e-9
        )
    else:
        assert "auc" not in found.figures


def test_batches_do_not_change_the_figures(logistic: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    data = blobs(101)
    whole = run(logistic, data)
    monkeypatch.setattr(module, "_BATCH_ROWS", 7)
    parts = run(logistic, data)
    assert parts.figures["loss"] == pytest.approx(whole.figures["loss"], rel=1e-6)
    same = ("accuracy", "confusion")
    assert [parts.figures[name] for name in same] == [whole.figures[name] for name in same]
    assert parts.figures["auc"] == pytest.approx(whole.figures["auc"], rel=1e-3)


def test_one_class_has_no_area_under_the_curve(logistic: Start) -> None:
    data = replace(blobs(30), labels=np.ones(30, dtype=np.int64))
    found = run(logistic, data)
    assert "auc" not in found.figures
    assert "accuracy" in found.figures
    counts = found.figures["confusion"]
    assert isinstance(counts, tuple)
    assert counts[0] == (0, 0)


def test_counts_are_withheld_whole_when_one_cell_is_small(logistic: Start) -> None:
    data = blobs(101)
    counts = run(logistic, data).figures["confusion"]
    assert isinstance(counts, tuple)
    smallest = min(count for row in counts for count in row if count)
    at, above = run(logistic, data, smallest), run(logistic, data, smallest + 1)
    assert at.figures["confusion"] == counts
    assert not at.suppressed
    assert "confusion" not in above.figures
    assert above.suppressed
    assert above.figures["accuracy"] == at.figures["accuracy"]


def test_an_empty_cell_is_no_small_cell(logistic: Start) -> None:
    data = replace(blobs(30), labels=np.ones(30, dtype=np.int64))
    weights = {"linear.weight": np.zeros((1, 4), np.float32), "linear.bias": np.ones(1, np.float32)}
    write_weights(logistic.path, logistic.layout, weights)
    assert run(logistic, data, 30).figures["confusion"] == ((0, 0), (0, 30))


def test_with_fewer_rows_than_the_minimum_nothing_is_said(logistic: Start) -> None:
    found = run(logistic, blobs(9), 10)
    assert found == Evaluation(rows=0, figures={}, suppressed=True)
    assert run(logistic, blobs(10), 10).rows == 10


def test_a_model_gone_wrong_is_said(logistic: Start) -> None:
    weights = read_weights(logistic.path, logistic.layout)
    write_weights(logistic.path, logistic.layout, {name: np.full_like(w, np.inf) for name, w in weights.items()})
    with pytest.raises(Invalid) as caught:
        run(logistic, blobs(20))
    assert caught.value.code == "evaluation.not_finite"


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 1)), min_size=1, max_size=40))
def test_area_under_the_curve_with_ties(pairs: list[tuple[int, int]]) -> None:
    score, target = np.array([float(s) for s, _ in pairs]), np.array([t for _, t in pairs], dtype=np.int64)
    area = area_under_curve(score, target)
    if len(set(target)) < 2:
        assert area is None
    else:
        assert area == pytest.approx(sklearn.metrics.roc_auc_score(target, score), rel=1e-12, abs=1e-12)
