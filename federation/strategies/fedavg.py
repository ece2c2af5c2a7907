"""FedAvg: the plain weighted mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from federation.strategies.base import Block, Strategy


class FedAvg(Strategy):
    """The mean of the updates, weighted by rows, is added to the model (McMahan et al. 2017)."""

    title = "FedAvg"
    rank = 10
    when_to_use = "The plain mean, weighted by rows: the baseline that everything else has to beat."

    name: Literal["fedavg"] = "fedavg"

    def server_update(self, mean: Block, moments: Sequence[Block], out: Block) -> Block:
        """The mean itself."""
        return mean


STRATEGY = FedAvg
