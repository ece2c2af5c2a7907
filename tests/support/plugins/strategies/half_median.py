"""Half a step along the median of the updates, each organisation's silo counting once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from federation.strategies.base import Block, Strategy, UpdatesNeeded


@dataclass(frozen=True)
class Equal:
    """Each silo counts once."""

    name: str = "equal"

    def of_rows(self, rows: int) -> int:
        """One, however many rows."""
        return 1


class HalfMedian(Strategy):
    """Half of what the combiner gives."""

    title = "Half a median"
    when_to_use = "In tests."
    rank = 5
    updates_needed = UpdatesNeeded.SINGLE
    combiner = "plain_median"
    client_hooks = ("proximal_term",)
    weighting = Equal()

    name: Literal["half_median"] = "half_median"

    @property
    def local_settings(self) -> Mapping[str, float]:
        """A proximal term of its own."""
        return {"proximal_mu": 0.5}

    def server_update(self, mean: Block, moments: Sequence[Block], out: Block) -> Block:
        """Half of it."""
        return np.multiply(mean, 0.5, out=out)


STRATEGY = HalfMedian
