"""No withheld cell can be worked out: somebody who knows the rule tries every table that there could be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import Invalid
from federation.statistics.disclosure import check_report, may_disclose_moments, protect, rounded
from federation.statistics.pooling import pool
from federation.statistics.report import Cell, ColumnReport, StatisticsReport
from tests.support.every import every

ROWS_MAX = {2: 30, 3: 20, 4: 16, 5: 13}
"""How many rows the attacker's tables have at most, by their number of cells."""


def tables(cells: int, rows: int) -> Iterator[tuple[int, ...]]:
    if cells == 1:
        yield (rows,)
        return
    for first in range(rows + 1):
        for rest in tables(cells - 1, rows - first):
            yield (first, *rest)


def released_alike(cells: int, rows: int, minimum: int) -> dict[tuple[Cell, ...], list[tuple[int, ...]]]:
    """Every table of so many rows, by what is reported of it: what an attacker can make of that who knows the rule."""
    found: dict[tuple[Cell, ...], list[tuple[int, ...]]] = defaultdict(list)
    for table in tables(cells, rows):
        found[protect(table, minimum)].append(table)
    return found


def withheld_cells(cells: int, minimum: int) -> Iterator[tuple[int, tuple[Cell, ...], set[int]]]:
    """Each withheld cell of every table: the rows, what is reported, and the values that the cell could have."""
    for rows in range(minimum, ROWS_MAX[cells]):
        for one_report, possible in released_alike(cells, rows, minimum).items():
            for place in (place for place, cell in enumerate(one_report) if cell is None):
                yield rows, one_report, {table[place] for table in possible}


@pytest.mark.parametrize("minimum", [2, 3, 4, 5])
@pytest.mark.parametrize("cells", sorted(ROWS_MAX))
def test_an_attacker_who_knows_the_rule_finds_many_values_for_each_withheld_cell(cells: int, minimum: int) -> None:
    for rows, one_report, values in every(withheld_cells(cells, minimum)):
        assert len(values) >= minimum - 1, (rows, one_report, values)


def test_the_attacker_finds_the_cell_where_only_small_cells_are_withheld() -> None:
    def only_small(table: tuple[int, ...]) -> tuple[Cell, ...]:
        return tuple(None if 0 < cell < 5 else cell for cell in table)

    alike = [table for table in tables(3, 20) if only_small(table) == only_small((2, 8, 10))]
    assert {table[0] for table in alike} == {2}, "the attacker of these tests is one"


def test_cells_of_nobody_and_of_enough_are_reported() -> None:
    assert protect((0, 5, 300), 5) == (0, 5, 300)
    assert protect((0, 4, 300, 20), 5) == (0, None, None, 20)
    assert protect((2, 298), 5) == (None, None)
    assert protect((2, 0, 1, 3), 5) == (None, None, None, None), "too few to hide behind each other"
    assert protect((1, 2, 3), 1) == (1, 2, 3)


SIZES = st.lists(st.integers(0, 40), min_size=2, max_size=12)


@given(SIZES, st.integers(2, 10))
def test_what_is_reported_adds_up_and_hides_enough(cells: list[int], minimum: int) -> None:
    reported = protect(cells, minimum)
    shown = [cell for cell in reported if cell is not None]
    assert all(cell in (None, own) for cell, own in zip(reported, cells, strict=True))
    assert not any(0 < cell < minimum for cell in shown)
    withheld = [own for cell, own in zip(reported, cells, strict=True) if cell is None]
    if shown and withheld:
        assert len(withheld) >= 2
        assert sum(withheld) >= minimum * len(withheld)


def column(cells: tuple[Cell, ...], **figures: float) -> ColumnReport:
    edges = tuple(float(edge) for edge in range(len(cells) - 2))
    return ColumnReport(name="age", type="number", edges=edges, missing=cells[0], cells=cells[1:], **figures)


def report(rows: int, cells: tuple[Cell, ...], minimum: int = 5, **figures: float) -> StatisticsReport:
    return StatisticsReport(minimum_cell=minimum, rows=rows, columns=(column(cells, **figures),))


@given(st.lists(st.integers(0, 40), min_size=4, max_size=8), st.integers(2, 10))
def test_what_is_protected_passes_the_check(cells: list[int], minimum: int) -> None:
    if (rows := sum(cells)) >= minimum:
        check_report(report(rows, protect(cells, minimum), minimum), minimum)


BAD: dict[str, StatisticsReport] = {
    "a small cell": report(30, (0, 0, 26, 4)),
    "one withheld cell": report(30, (0, 0, 26, None)),
    "two that hold too few": report(30, (0, None, 26, None)),
    "a mean beside withheld cells": report(30, (0, None, 10, None), mean=1.0, variance=1.0),
    "too many digits": report(30, (0, 0, 30, 0), mean=1.23456, variance=1.0),
    "a mean of too few": report(10, (7, 0, 3, 0), minimum=1, mean=1.0, variance=1.0),
    "fewer rows than the minimum": report(4, (0, 0, 4, 0)),
    "a smaller minimum": report(30, (0, 0, 30, 0), minimum=4),
}


@pytest.mark.parametrize("what", BAD)
def test_a_report_that_shows_more_is_refused(what: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_report(BAD[what], 5)
    assert refused.value.code == "statistics.small_cell"


def test_counts_that_are_not_those_of_all_rows_are_no_report() -> None:
    with pytest.raises(ValueError, match="not those of all rows"):
        report(30, (0, 0, 29, 0))


def test_a_mean_is_withheld_where_equations_would_give_a_count_away() -> None:
    sexes = np.array([0.0] * 98 + [1.0] * 2)
    assert not may_disclose_moments(sexes, 5), "its mean is the number of ones"
    assert may_disclose_moments(np.array([0.0] * 90 + [1.0] * 10), 5)
    assert not may_disclose_moments(np.array([*range(50), 1e6]), 5), "its variance is the one row's value"
    assert not may_disclose_moments(np.arange(4.0), 5)
    assert may_disclose_moments(np.arange(50.0), 5)


def test_figures_have_four_significant_digits() -> None:
    assert (rounded(54.43894), rounded(-0.00123456), rounded(123456.0), rounded(0.0)) == (54.44, -0.001235, 123500, 0)


def reports_of(sums: list[list[int]], minimum: int) -> list[StatisticsReport]:
    return [report(sum(cells), protect(cells, minimum), minimum) for cells in sums]


def test_the_pool_less_all_other_silos_is_no_more_than_the_silo_itself_shows() -> None:
    """Two silos, one of which knows its own rows: for each pool, all tables of the other that it could be of."""
    minimum, own = 3, [0, 4, 5, 6]
    possible: dict[bytes, set[tuple[int, ...]]] = defaultdict(set)
    for table in tables(4, 11):
        possible[pool(reports_of([own, list(table)], minimum)).model_dump_json().encode()].add(table)
    checked = 0
    for alike in every(list(possible.values())):
        by_name = {protect(table, minimum) for table in alike}
        for place in range(4):
            values = {table[place] for table in alike}
            if any(0 < value < minimum for value in values):
                assert len(values) >= minimum - 1, (by_name, values)
                checked += 1
    assert checked
