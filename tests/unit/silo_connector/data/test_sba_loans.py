"""Another data set, from banks: the published regression comes out of the shipped declaration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.targets.classification import area_under_curve
from silo_connector.trainer.data import Prepared, load
from tests.unit.silo_connector.data.conftest import example


def newton(prepared: Prepared) -> NDArray[np.float64]:
    """Logistic regression by Newton's method: intercept, then one weight a feature."""
    x = np.column_stack([np.ones(len(prepared.train)), prepared.train.features.astype(np.float64)])
    weights = np.zeros(x.shape[1])
    for _ in range(12):
        chance = 1 / (1 + np.exp(-x @ weights))
        hessian = (x.T * (chance * (1 - chance))) @ x
        weights += np.linalg.solve(hessian, x.T @ (prepared.train.labels - chance))
    return weights


def test_the_published_regression_is_reproduced(shared_data: Path) -> None:
    """Li, Mickel and Taylor 2018: coefficients, and the confusion at a cut-off of 0.5 on the other half."""
    declaration = example("sba-loans")
    assert declaration.features() == ("RealEstate", "Portion", "Recession")
    prepared = load(declaration, shared_data / "sba_loans" / "SBAcase.11.13.17.csv")
    assert (len(prepared.train), len(prepared.test), prepared.rows_total) == (1051, 1051, 2102)
    weights = newton(prepared)
    np.testing.assert_allclose(weights, [1.3931, -2.1282, -2.9875, 0.5041], atol=5e-4)
    score = weights[0] + prepared.test.features.astype(np.float64) @ weights[1:]
    confusion = [[int(np.sum((prepared.test.labels == i) & ((score > 0) == j))) for j in (0, 1)] for i in (0, 1)]
    assert confusion == [[682, 14], [324, 31]]
    area = area_under_curve(score, prepared.test.labels)
    assert area is not None
    assert round(area, 4) == 0.7346
