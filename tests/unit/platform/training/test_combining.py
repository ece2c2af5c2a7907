"""One figure from many silos', and what small numbers must not tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.combining import combine, confusion_shown
from training.models import Evaluation


def told(rows: int, accuracy: float | None = 0.5, loss: float | None = 1.0, confusion: Any = None) -> Evaluation:
    return Evaluation(rows=rows, accuracy=accuracy, loss=loss, confusion=confusion)


def test_every_row_counts_once() -> None:
    combined = combine([told(10, 1.0, 0.0), told(30, 0.5, 2.0)])
    assert (combined["accuracy"], combined["loss"], combined["silos"]) == (0.625, 1.5, 2)


def test_a_silo_that_told_nothing_does_not_count() -> None:
    assert combine([told(10, 0.9, 0.1), told(0), told(50, None), told(50, 0.1, None)])["silos"] == 1
    assert combine([told(0), told(5, None, None)]) == {}
    assert combine([]) == {}


@given(
    st.lists(
        st.tuples(st.integers(1, 10**6), st.floats(0, 1), st.floats(0, 100)),
        min_size=1,
        max_size=20,
    )
)
def test_the_whole_lies_between_its_parts(silos: list[tuple[int, float, float]]) -> None:
    combined = combine([told(*silo) for silo in silos])
    for name, column in (("accuracy", 1), ("loss", 2)):
        values = [float(silo[column]) for silo in silos]
        figure = combined[name]
        assert isinstance(figure, float)
        assert min(values) - 1e-9 <= figure <= max(values) + 1e-9


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ([[5, 5], [5, 5]], True),
        ([[5, 0], [0, 5]], True),
        ([[5, 4], [5, 5]], False),
        ([[5, 5], [1, 5]], False),
        (None, False),
    ],
)
def test_counts_are_shown_whole_or_not_at_all(counts: Any, shown: bool) -> None:
    assert confusion_shown(told(20, confusion=counts), 5) == (counts if shown else None)
