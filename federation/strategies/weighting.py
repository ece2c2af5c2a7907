"""How much a silo's update counts: the one place that weighs, within the bounds of the job's manifest.

Two bounds hold for every strategy: no silo counts with more rows than it registered covers, and none with more than the
largest weight that its organisation's share gives it (``federation.agreements.shares``, ADR 28).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from federation.protocol.rows import RowLimits


class Weighting(Protocol):
    """What a strategy makes of a silo's number of rows for training. The bounds hold whatever it says."""

    @property
    def name(self) -> str:
        """What documents and pages call it."""

    def of_rows(self, rows: int) -> int:
        """The weight of so many rows (at least 1), before the bounds: 1 to `rows`."""


@dataclass(frozen=True)
class _ByRows:
    """Each row counts once (McMahan et al. 2017, algorithm 1)."""

    name: str = "rows"

    def of_rows(self, rows: int) -> int:
        return rows


BY_ROWS: Weighting = _ByRows()


def weight_of(weighting: Weighting, rows: int, limits: RowLimits) -> int:
    """The weight of an update that was trained on so many rows, held to the manifest's limits of its silo.

    Largest weights are counted in rows, so a weighting may lower a weight and never raise it above its rows.
    """
    return limits.weight(min(weighting.of_rows(rows), rows))
