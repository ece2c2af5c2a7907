"""What a silo works out of a column of its own, and reports of it: counts, mean and variance, with what is withheld."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.statistics.columns import ColumnShape
from federation.statistics.disclosure import may_disclose_moments, protect, rounded
from federation.statistics.report import ColumnReport
from federation.validation.bounds import FINITE_MAX


def measure_column(
    shape: ColumnShape,
    missing: NDArray[np.bool_],
    values: NDArray[np.float64] | None,
    level_counts: tuple[int, ...] | None,
    minimum: int,
) -> ColumnReport:
    """The report of one column.

    Args:
        shape: How the column is cut, as its silo has declared it.
        missing: Which rows miss a value, bool [rows].
        values: Of a column of numbers: float64 [rows], finite wherever it isn't missing. None for others.
        level_counts: How many rows have each declared level, in their order. None for a column without levels.
        minimum: The minimum cell, in rows.
    """
    present = int(np.count_nonzero(~missing))
    if level_counts is not None:
        cells: tuple[int, ...] = level_counts
    elif shape.edges is not None and values is not None:
        cells = bin_counts(values[~missing], shape.edges)
    else:
        cells = (present,)
    reported = protect((len(missing) - present, *cells), minimum)
    figures: dict[str, Any] = {}
    if shape.has_moments and values is not None and None not in reported:
        figures = _moments(values[~missing], minimum)
    return ColumnReport(
        name=shape.name,
        type=shape.type,
        levels=shape.levels,
        unit=shape.unit,
        edges=shape.edges,
        missing=reported[0],
        cells=reported[1:],
        **figures,
    )


def bin_counts(values: NDArray[np.float64], edges: tuple[float, ...]) -> tuple[int, ...]:
    """How many values lie below the first edge, in each bin, and above the last edge.

    A bin holds its left edge; the last bin holds its right edge too.
    """
    below, above = int(np.count_nonzero(values < edges[0])), int(np.count_nonzero(values > edges[-1]))
    counts, _ = np.histogram(values, bins=np.array(edges))
    return below, *map(int, counts), above


def _moments(values: NDArray[np.float64], minimum: int) -> dict[str, float]:
    """Mean and variance (two passes: T. F. Chan, G. H. Golub, R. J. LeVeque, 1983), or nothing."""
    if not may_disclose_moments(values, minimum):
        return {}
    mean = float(values.mean())
    centred = values - mean
    squares = float((centred**2).sum()) - float(centred.sum()) ** 2 / len(values)
    variance = max(0.0, squares) / (len(values) - 1)
    if abs(mean) > FINITE_MAX or not variance <= FINITE_MAX:
        return {}
    return {"mean": rounded(mean), "variance": rounded(variance)}
