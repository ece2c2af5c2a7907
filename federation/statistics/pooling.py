"""Statistics of all silos together, from what each has reported: sums of counts, and pooled mean, variance and
quantiles.

Nothing else goes in than the silos' reports. Each of them may be known as it is (``disclosure``), so nothing that is
worked out of several can give away more: not by taking the others from the sum, and not where there are few silos.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from federation.errors import Invalid
from federation.protocol.chains import canonical
from federation.protocol.dataset_columns import EDGES_MAX, ColumnName, ColumnType, Labels
from federation.protocol.documents.base import Count, Finite, Norm, Part
from federation.protocol.documents.statistics import COLUMNS_MAX
from federation.statistics.disclosure import rounded
from federation.statistics.report import CELLS_MAX, ColumnReport, StatisticsReport
from federation.validation.bounds import FINITE_MAX

KIND: Final = "pooled_statistics.v1"
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


class PooledCell(Part):
    """Rows of all silos in a cell; `count` is None where a silo withholds its own, and the others have `at_least`."""

    count: Count | None
    at_least: Count


class Quantile(Part):
    """Where a quantile lies, from a histogram: between two edges, and about where if values are spread evenly there.

    Without a lower edge it lies below all edges, without an upper one above. Then there is no estimate.
    """

    part: Annotated[float, Field(gt=0, lt=1)]
    lower: Finite | None
    upper: Finite | None
    estimate: Finite | None


class PooledColumn(Part):
    """A column over all silos."""

    name: ColumnName
    type: ColumnType
    levels: Labels | None = None
    unit: Annotated[str, Field(max_length=50)] | None = None
    edges: Annotated[tuple[Finite, ...], Field(min_length=2, max_length=EDGES_MAX)] | None = None
    count: Count | None
    """Rows that have a value; None where a silo withholds how many miss one."""
    missing: PooledCell
    cells: Annotated[tuple[PooledCell, ...], Field(min_length=1, max_length=CELLS_MAX)]
    moments_silos: Count
    """How many silos report mean and variance: those below are of these silos alone."""
    moments_rows: Count
    mean: Finite | None
    variance: Norm | None
    quantiles: Annotated[tuple[Quantile, ...], Field(max_length=20)] = ()
    """None where a cell of the histogram is withheld."""


class PooledStatistics(Part):
    """What a job of statistics has released."""

    kind: Literal["pooled_statistics.v1"] = KIND
    silos: Annotated[int, Field(ge=1, le=10_000)]
    rows: Count
    minimum_cell: Annotated[int, Field(ge=1, le=1000)]
    columns: Annotated[tuple[PooledColumn, ...], Field(min_length=1, max_length=COLUMNS_MAX)]


def pool(reports: Sequence[StatisticsReport]) -> PooledStatistics:
    """Pool the reports of several silos, in their order.

    Raises:
        Invalid: ``statistics.edges_differ`` where two silos report other columns, or cut one differently.
    """
    first = reports[0]
    for report in reports[1:]:
        if [column.shape for column in report.columns] != [column.shape for column in first.columns]:
            raise Invalid("statistics.edges_differ", "Two silos cut a column differently.", "columns")
    return PooledStatistics(
        silos=len(reports),
        rows=sum(report.rows for report in reports),
        minimum_cell=max(report.minimum_cell for report in reports),
        columns=tuple(
            _pooled([(report.rows, report.columns[place]) for report in reports]) for place in range(len(first.columns))
        ),
    )


def encode_pooled(pooled: PooledStatistics) -> bytes:
    """The one way in which pooled statistics are written."""
    return canonical(json.loads(pooled.model_dump_json()))


def read_pooled(content: bytes) -> PooledStatistics:
    """Pooled statistics from their bytes. Raises pydantic's ValidationError."""
    return PooledStatistics.model_validate_json(content)


def _pooled(reported: Sequence[tuple[int, ColumnReport]]) -> PooledColumn:
    first = reported[0][1]
    missing = _sum(column.missing for _, column in reported)
    cells = tuple(_sum(column.cells[place] for _, column in reported) for place in range(len(first.cells)))
    figures: dict[str, Any] = {"moments_silos": 0, "moments_rows": 0, "mean": None, "variance": None}
    moments = [
        (rows - column.missing, column.mean, column.variance)
        for rows, column in reported
        if column.missing is not None and column.mean is not None and column.variance is not None
    ]
    if moments:
        rows, mean, variance = pooled_moments(moments)
        if abs(mean) <= FINITE_MAX and variance <= FINITE_MAX:  # else nothing: one silo's figures may be that far off
            figures = {"moments_silos": len(moments), "moments_rows": rows}
            figures |= {"mean": rounded(mean), "variance": rounded(variance)}
    return PooledColumn(
        name=first.name,
        type=first.type,
        levels=first.levels,
        unit=first.unit,
        edges=first.edges,
        count=None if missing.count is None else sum(rows for rows, _ in reported) - missing.count,
        missing=missing,
        cells=cells,
        quantiles=() if first.edges is None else quantiles_of([cell.count for cell in cells], first.edges),
        **figures,
    )


def _sum(cells: Iterable[int | None]) -> PooledCell:
    parts = list(cells)
    rows = [part for part in parts if part is not None]
    return PooledCell(count=sum(rows) if len(rows) == len(parts) else None, at_least=sum(rows))


def pooled_moments(parts: Sequence[tuple[int, float, float]]) -> tuple[int, float, float]:
    """Number, mean and sample variance of several samples together.

    By the update of T. F. Chan, G. H. Golub and R. J. LeVeque, Updating Formulae and a Pairwise Algorithm for Computing
    Sample Variances (Stanford STAN-CS-79-773, 1979), equation 2.1: sums of squares about each sample's own mean are
    added up, and what the means differ by. No large squares are subtracted from each other.

    Args:
        parts: Of each sample its number of values (1 or more), mean, and variance (by the number less one).
    """
    count, mean, squares = 0, 0.0, 0.0
    for rows, own_mean, own_variance in parts:
        both = count + rows
        apart = own_mean - mean
        squares += own_variance * (rows - 1) + apart**2 * count * rows / both
        mean += apart * rows / both
        count = both
    return count, mean, squares / (count - 1) if count > 1 else 0.0


def quantiles_of(cells: Sequence[int | None], edges: Sequence[float]) -> tuple[Quantile, ...]:
    """The quantiles `QUANTILES`, from the counts below, between and above the edges; none if one is withheld.

    The estimate is linear within its bin. That is not where the quantile is: it lies anywhere between the two edges.
    """
    counts = [cell for cell in cells if cell is not None]
    total = sum(counts)
    if len(counts) < len(cells) or not total:
        return ()
    bounds = (None, *edges, None)
    found: list[Quantile] = []
    for part in QUANTILES:
        wanted, passed = part * total, 0
        for place, count in enumerate(counts):
            if count and passed + count >= wanted:
                lower, upper = bounds[place], bounds[place + 1]
                estimate = None
                if lower is not None and upper is not None:
                    estimate = rounded(lower + (upper - lower) * (wanted - passed) / count)
                    estimate = min(max(estimate, lower), upper)
                found.append(Quantile(part=part, lower=lower, upper=upper, estimate=estimate))
                break
            passed += count
    return tuple(found)
