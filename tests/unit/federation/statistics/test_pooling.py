"""What silos report, pooled: the figures of one table with everybody's rows, to rounding."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import Invalid
from federation.statistics.columns import ColumnShape
from federation.statistics.disclosure import rounded
from federation.statistics.measuring import bin_counts, measure_column
from federation.statistics.pooling import encode_pooled, pool, pooled_moments, quantiles_of, read_pooled
from federation.statistics.report import StatisticsReport, encode_report, read_report
from tests.support.every import every

EDGES = (0.0, 10.0, 20.0, 30.0)
SHAPE = ColumnShape("age", "number", edges=EDGES)
VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


def report_of(values: list[float], shape: ColumnShape = SHAPE, minimum: int = 1) -> StatisticsReport:
    """A silo's, of values of which NaN is missing."""
    column = np.array(values)
    reported = measure_column(shape, np.isnan(column), column, None, minimum)
    return StatisticsReport(minimum_cell=minimum, rows=len(values), columns=(reported,))


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_pooled_moments_are_those_of_one_table(samples: list[list[float]]) -> None:
    parts = [(len(one), float(np.mean(one)), float(np.var(one, ddof=1)) if len(one) > 1 else 0.0) for one in samples]
    count, mean, variance = pooled_moments(parts)
    table = np.concatenate([np.array(one) for one in samples])
    assert count == len(table)
    assert mean == pytest.approx(table.mean(), rel=1e-9, abs=1e-6)
    if count > 1:
        assert variance == pytest.approx(table.var(ddof=1), rel=1e-6, abs=1e-6)


def test_pooling_loses_nothing_where_means_are_far_from_nought() -> None:
    """The textbook's sum of squares less the square of the sum comes to nothing here."""
    offset = 1e9
    parts = [(3, offset + 1.0, 1.0), (3, offset + 4.0, 1.0)]
    assert pooled_moments(parts)[2] == pytest.approx(np.var([0, 1, 2, 3, 4, 5], ddof=1))


@given(st.lists(st.floats(-50, 50), max_size=60))
def test_every_value_falls_into_one_bin_with_its_left_edge(values: list[float]) -> None:
    found = bin_counts(np.array(values), EDGES)
    inside = [sum(a <= v < b for v in values) for a, b in pairwise(EDGES)]
    inside[-1] += sum(v == EDGES[-1] for v in values)
    assert found == (sum(v < EDGES[0] for v in values), *inside, sum(v > EDGES[-1] for v in values))


def test_a_report_is_read_as_it_was_written_and_in_no_other_way() -> None:
    report = report_of([1.0, 12.0, float("nan"), 25.0, 31.0])
    payload = encode_report(report)
    assert read_report(payload) == report
    for other in (payload + b"\n", payload.replace(b'"rows":5', b'"rows":5.0'), b"{}", payload[:-1], b"\xff"):
        with pytest.raises(Invalid) as refused:
            read_report(other)
        assert refused.value.code == "statistics.malformed"
    pooled = pool([report])
    assert read_pooled(encode_pooled(pooled)) == pooled


def test_a_cell_that_one_silo_withholds_is_reported_as_what_the_others_have() -> None:
    whole = report_of([5.0] * 10 + [15.0] * 10 + [25.0] * 10, minimum=5)
    small = report_of([5.0] * 2 + [15.0] * 20 + [25.0] * 10, minimum=5)
    (age,) = pool([whole, small]).columns
    assert [(cell.count, cell.at_least) for cell in age.cells] == [(0, 0), (None, 10), (None, 10), (20, 20), (0, 0)]
    assert (age.count, age.missing.count, age.moments_silos, age.moments_rows) == (62, 0, 1, 30)
    assert age.mean == rounded(15.0)
    assert age.quantiles == ()


def test_silos_that_cut_a_column_differently_are_not_pooled() -> None:
    other = ColumnShape("age", "number", edges=(0.0, 11.0, 20.0, 30.0))
    with pytest.raises(Invalid) as refused:
        pool([report_of([1.0]), report_of([1.0], other)])
    assert refused.value.code == "statistics.edges_differ"


def test_quantiles_lie_between_edges_and_say_what_is_an_estimate() -> None:
    low, quarter, median, _, high = quantiles_of([10, 0, 40, 40, 10], EDGES)
    assert (low.lower, low.upper, low.estimate) == (None, 0.0, None)
    assert (quarter.lower, quarter.upper, quarter.estimate) == (10.0, 20.0, 13.75)
    assert (median.lower, median.upper, median.estimate) == (10.0, 20.0, 20.0)
    assert (high.lower, high.upper, high.estimate) == (30.0, None, None)
    assert quantiles_of([0, None, 40, None, 0], EDGES) == ()
    assert quantiles_of([0, 0, 0, 0, 0], EDGES) == ()


@given(st.lists(st.floats(0, 30), min_size=1, max_size=200))
def test_a_quantile_of_the_values_lies_where_its_histogram_says(values: list[float]) -> None:
    ordered = sorted(values)
    for one in every(quantiles_of(list(bin_counts(np.array(values), EDGES)), EDGES)):
        value = ordered[int(np.ceil(one.part * len(values))) - 1]
        assert one.lower is not None
        assert one.upper is not None
        assert one.estimate is not None
        assert one.lower <= value <= one.upper
        assert one.lower <= one.estimate <= one.upper


def test_a_silo_whose_mean_is_absurd_costs_the_pool_its_moments_and_no_more() -> None:
    """Each report is one that may be disclosed; were pooling to fail for it, one silo could end every job."""
    usual = report_of([1.0, 2.0, 3.0, 4.0])
    column = usual.columns[0].model_copy(update={"mean": 1e30, "variance": 0.0})
    absurd = read_report(encode_report(usual.model_copy(update={"columns": (column,)})))
    pooled = read_pooled(encode_pooled(pool([usual, absurd])))
    reported = pooled.columns[0]
    assert (reported.mean, reported.variance, reported.moments_silos, reported.moments_rows) == (None, None, 0, 0)
    assert (pooled.silos, pooled.rows, reported.count) == (2, 8, 8)
