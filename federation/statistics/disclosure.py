"""Disclosure control: which cells of a table are withheld, so that no small one can be worked out from the others.

The rule, for a column whose cells (missing, then the others in order) add up to the number of all rows, which is
reported:

1. A cell of 1 to `minimum` - 1 rows is withheld. A cell of no rows is reported: it is nobody.
2. With such a cell others are withheld, those nearest to it first, until there are at least two of them and they hold
   `minimum` rows each on average. Which come next depends on where they stand and not on what they hold, so that the
   choice reveals nothing.
3. Where all cells with rows together are too few for that, the whole column is withheld, its empty cells too.

Anyone who knows the rule and the number of rows, and works out every table that would be reported like this, finds
at least `minimum` - 1 values for each withheld cell: `tests/unit/federation/statistics/test_disclosure.py` tries all
small ones. Primary and complementary suppression: A. Hundepool et al., Statistical Disclosure Control (Wiley, 2012),
chapter 4. A pattern that hides as little as it can gives values away to anyone who knows that it does: hence the
choice by place.

Mean and variance are reported only of a column of which nothing is withheld, for they are two more equations in its
cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from federation.errors import Invalid
from federation.statistics.report import Cell, ColumnReport, StatisticsReport

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MINIMUM_CELL_LEAST = 3
"""No smaller minimum cell has statistics: at 2 a withheld cell has one possible value, and at 1 none is."""
DIGITS = 4
"""Significant digits of a mean and of a variance, as a silo reports them."""
DISTINCT_MAX = 10
"""A column of at most so many distinct values is taken for a table of them: each has the minimum cell of rows."""
DOMINANCE_MAX = 0.5
"""No single row has more than this part of the sum of squares about the mean."""


def protect(cells: Sequence[int], minimum: int) -> tuple[Cell, ...]:
    """The cells of a column as they may be disclosed.

    Args:
        cells: Counts of rows, 0 or more, that add up to a number which is reported too. The missing values come first.
        minimum: The smallest number of rows but 0 that a reported cell has, 1 or more. With 1 nothing is withheld.

    Returns:
        The cells in their order; None for each that is withheld.
    """
    small = [place for place, cell in enumerate(cells) if 0 < cell < minimum]
    if not small:
        return tuple(cells)
    withheld = set(small)
    others = [place for place, cell in enumerate(cells) if cell >= minimum]
    others.sort(key=lambda place: (abs(place - small[0]), place))
    for place in others:
        if _is_enough([cells[one] for one in withheld], minimum):
            break
        withheld.add(place)
    if not _is_enough([cells[one] for one in withheld], minimum):
        return (None,) * len(cells)
    return tuple(None if place in withheld else cell for place, cell in enumerate(cells))


def may_disclose_moments(values: NDArray[np.float64], minimum: int) -> bool:
    """Whether mean and variance of these values, of a column of which nothing is withheld, may be disclosed.

    Args:
        values: All values that are not missing, float64 [rows], finite.
        minimum: The minimum cell, in rows.

    Returns:
        False for fewer rows than the minimum cell or than 2; where at most `DISTINCT_MAX` distinct values occur and one
        of them in fewer rows than the minimum cell, since three equations give such counts away; and where one row
        makes up more than `DOMINANCE_MAX` of the sum of squares, since the variance is then that row's value.
    """
    import numpy as np

    if len(values) < max(2, minimum):
        return False
    _, counts = np.unique(values, return_counts=True)
    if len(counts) <= DISTINCT_MAX and int(counts.min()) < minimum:
        return False
    squares = (values - values.mean()) ** 2
    total = float(squares.sum())
    return minimum == 1 or total == 0 or float(squares.max()) <= DOMINANCE_MAX * total


def rounded(figure: float, digits: int = DIGITS) -> float:
    """A figure with so many significant digits."""
    return float(f"{figure:.{digits - 1}e}")


def check_report(report: StatisticsReport, minimum: int) -> None:
    """Raise Invalid ``statistics.small_cell``, naming the column, unless a report discloses no more than it may.

    Trainer, platform and anyone who verifies evidence ask here. What can't be seen from the report alone (how many
    distinct values a column has) the trainer has checked.

    Args:
        report: As the silo reports it.
        minimum: The minimum cell of the agreement, in rows.
    """
    if report.minimum_cell < minimum or (report.rows < report.minimum_cell):
        raise Invalid("statistics.small_cell", f"It is of fewer than {minimum} rows, or says so.", "rows")
    for column in report.columns:
        for fault in _faults(column, report.rows, report.minimum_cell):
            raise Invalid("statistics.small_cell", fault, column.name)


def _is_enough(withheld: Sequence[int], minimum: int) -> bool:
    return len(withheld) >= 2 and sum(withheld) >= len(withheld) * minimum


def _faults(column: ColumnReport, rows: int, minimum: int) -> Iterator[str]:
    cells = (column.missing, *column.cells)
    listed = [cell for cell in cells if cell is not None]
    withheld = len(cells) - len(listed)
    if any(0 < cell < minimum for cell in listed):
        yield "A cell has fewer rows than the minimum cell."
    if listed and withheld and (withheld < 2 or rows - sum(listed) < withheld * minimum):
        yield "What is withheld can be worked out from the rest."
    if column.mean is not None and not column.is_whole:
        yield "A mean is released of a column of which a cell is withheld."
    if column.mean is not None and column.missing is not None and rows - column.missing < max(2, minimum):
        yield "A mean is released of fewer rows than the minimum cell."
    for figure in (column.mean, column.variance):
        if figure is not None and figure != rounded(figure):
            yield "A figure has more digits than may be released."
