"""What small numbers must not reveal."""

from __future__ import annotations

from typing import Any

import pytest

from training.models import Evaluation
from training.reading.small_cells import table_unless_small


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
    assert table_unless_small(Evaluation(rows=20, figures={"confusion": counts}), "confusion", 5) == (
        counts if shown else None
    )
