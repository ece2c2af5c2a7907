"""FedAdam: Adam on the server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from federation.strategies.base import Block, Strategy


class FedAdam(Strategy):
    """The mean of the updates is a pseudo-gradient for Adam on the server (Reddi et al. 2021, algorithm 2).

    m = b1 m + (1 - b1) d; v = b2 v + (1 - b2) d^2; step = lr m / (sqrt(v) + tau), without bias correction; both moments
    start at 0.
    """

    title = "FedAdam"
    rank = 30
    when_to_use = "Silos differ and FedAvg is slow or uneven: the server adapts the step of every parameter."
    moments = ("m", "v")

    name: Literal["fedadam"] = "fedadam"
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.01
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    tau: Annotated[float, Field(gt=0, le=1)] = 1e-8

    def server_update(self, mean: Block, moments: Sequence[Block], out: Block) -> Block:
        """One Adam step of the server."""
        m, v = moments
        m *= self.beta1
        m += np.multiply(mean, 1 - self.beta1, out=out)
        v *= self.beta2
        np.multiply(mean, mean, out=out)
        out *= 1 - self.beta2
        v += out
        np.sqrt(v, out=out)
        out += self.tau
        np.divide(m, out, out=out)
        out *= self.learning_rate
        return out


STRATEGY = FedAdam
