"""One figure from many silos'."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.aggregation.metric_pooling import COMBINATION, HELD, Measured
from federation.aggregation.metric_pooling import combine as combine_of
from federation.targets import target_of
from federation.targets.classification import LOSS

OTHERS = count(1)
TWO = target_of("binary", 2)


def combine(reported: list[Measured], share_max: float | None) -> dict[str, object]:
    """Over two classes."""
    return combine_of(TWO, reported, share_max)


def silo(
    rows: int, accuracy: float | None = 0.5, loss: float | None = 1.0, organisation: str | None = None
) -> Measured:
    """What one silo says, of an organisation of its own unless it is named."""
    return Measured(organisation or str(next(OTHERS)), rows, {"accuracy": accuracy, "loss": loss})


def test_every_row_counts_once() -> None:
    combined = combine([silo(10, 1.0, 0.0), silo(30, 0.5, 2.0)], None)
    assert (combined["accuracy"], combined["loss"], combined["silos"]) == (0.625, 1.5, 2)


def test_a_silo_that_reported_nothing_does_not_count() -> None:
    assert combine([silo(10, 0.9, 0.1), silo(0), silo(50, None), silo(50, 0.1, None)], 0.5)["silos"] == 1
    assert combine([silo(0), silo(5, None, None)], 0.5) == {}
    assert combine([], 0.5) == {}


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 100)),
        min_size=1,
        max_size=20,
    )
)
def test_the_whole_lies_between_its_parts(silos: list[tuple[int, float, float]]) -> None:
    combined = combine([silo(*one) for one in silos], 0.5)
    for name, column in (("accuracy", 1), ("loss", 2)):
        values = [float(one[column]) for one in silos]
        figure = combined[name]
        assert isinstance(figure, float)
        assert min(values) - 1e-9 <= figure <= max(values) + 1e-9


def test_no_organisation_makes_the_figure_its_own_by_rows_or_by_a_loss_that_no_model_has() -> None:
    honest = [silo(60, 0.6, 0.5), silo(40, 0.6, 0.5)]
    for rows in (100, 10**6, 2**53):
        liar = [silo(rows, 1.0, -1e300, "liar"), silo(rows, 1.0, 1e300, "liar")]
        combined = combine([*honest, *liar], 0.5)
        assert combined["accuracy"] == pytest.approx(0.8)
        assert combined["loss"] == pytest.approx(0.25 + (LOSS.counts_at_most or 0) / 4)
        assert combined["combination"] == HELD
    assert combine([*honest, silo(100, 1.0)], 0.5)["combination"] == COMBINATION
