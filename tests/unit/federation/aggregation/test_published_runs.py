"""The published runs on the four hospitals through our aggregation, figure by figure (benchmarks/heart_disease.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.heart_disease import (
    ACCURACY_MIN,
    METHODS,
    Method,
    over_rows,
    published_figures,
    read_hospitals,
    read_pooled_test,
    run_exact,
    run_ours,
)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.published)
def test_the_published_figures_come_out(heart_disease: Path, method: Method) -> None:
    found = run_exact(method, 42, read_hospitals(heart_disease), read_pooled_test(heart_disease))
    assert found == pytest.approx(published_figures(heart_disease)[42, method.published], abs=1e-12)


@pytest.mark.slow
def test_our_own_parts_reach_the_published_accuracy(heart_disease: Path) -> None:
    hospitals = read_hospitals(heart_disease)
    accuracies = run_ours(METHODS[-1], 1, hospitals)
    assert over_rows(accuracies, hospitals) >= ACCURACY_MIN
