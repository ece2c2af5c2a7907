"""A server strategy: what the platform does with a round's combined update, and what it needs for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from federation.strategies.weighting import BY_ROWS, Weighting

Block = NDArray[np.float64]


class UpdatesNeeded(StrEnum):
    """What of the silos' updates somebody must see."""

    SUMS = "sums"
    """Their weighted sum alone: also masked or encrypted updates give that."""
    SINGLE = "single"
    """Each by itself, as a median or a distance between updates does: only updates in clear give that."""


class Strategy(BaseModel):
    """A server strategy with its settings. It keeps `moments` float32 state vectors as long as the model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    title: ClassVar[str]
    when_to_use: ClassVar[str]
    rank: ClassVar[int] = 1000
    """Where it is among the others: the lowest is offered first."""
    moments: ClassVar[tuple[str, ...]] = ()
    updates_needed: ClassVar[UpdatesNeeded] = UpdatesNeeded.SUMS
    combiner: ClassVar[str] = "weighted_mean"
    """What combines updates in clear: a name of ``federation.aggregation.combine``."""
    client_hooks: ClassVar[tuple[str, ...]] = ()
    """What local training must be able to do for it: names of ``federation.learning.specification.CLIENT_HOOKS``."""
    uploads: ClassVar[tuple[str, ...]] = ("update",)
    """What each silo sends up after training."""
    weighting: ClassVar[Weighting] = BY_ROWS
    """How much each silo's update counts."""

    name: str

    @property
    def local_settings(self) -> Mapping[str, float]:
        """Settings of local training that the strategy fixes, by the names of ``LocalTraining``."""
        return {}

    def server_update(self, mean: Block, moments: Sequence[Block], out: Block) -> Block:
        """What to add to a block of the global model: `mean` itself, or `out` filled (all float64, of one length).

        `moments` hold the block's state and are brought up to date in place; `mean` is not changed.
        """
        raise NotImplementedError
