"""Server strategies: what the platform does with the mean of a round's updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from federation.errors import Invalid
from federation.validation import refusal

Block = NDArray[np.float64]


class Strategy(BaseModel):
    """A server strategy with its settings. It keeps `moments` float32 state vectors as long as the model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
    title: ClassVar[str]
    when_to_use: ClassVar[str]
    moments: ClassVar[tuple[str, ...]] = ()

    name: str

    @property
    def local_proximal_mu(self) -> float:
        """The weight of the proximal term that local training has to use (0: none)."""
        return 0.0

    def step(self, mean: Block, moments: Sequence[Block], out: Block) -> Block:
        """What to add to a block of the global model: `mean` itself, or `out` filled (all float64, of one length).

        `moments` hold the block's state and are brought up to date in place; `mean` is not changed.
        """
        raise NotImplementedError


class FedAvg(Strategy):
    """The mean of the updates, weighted by rows, is added to the model (McMahan et al. 2017)."""

    title = "FedAvg"
    when_to_use = "The plain mean, weighted by rows: the baseline that everything else has to beat."

    name: Literal["fedavg"] = "fedavg"

    def step(self, mean: Block, moments: Sequence[Block], out: Block) -> Block:
        """The mean itself."""
        return mean


class FedProx(Strategy):
    """FedAvg on the server; silos are held near the global model by a proximal term (Li et al. 2020)."""

    title = "FedProx"
    when_to_use = "Silos differ or do many local steps, and their updates drift apart."

    name: Literal["fedprox"] = "fedprox"
    proximal_mu: Annotated[float, Field(ge=0, le=1e9)] = 0.01

    @property
    def local_proximal_mu(self) -> float:
        """The weight of the proximal term."""
        return self.proximal_mu

    def step(self, mean: Block, moments: Sequence[Block], out: Block) -> Block:
        """The mean itself."""
        return mean


class FedAdam(Strategy):
    """The mean of the updates is a pseudo-gradient for Adam on the server (Reddi et al. 2021, algorithm 2).

    m = b1 m + (1 - b1) d; v = b2 v + (1 - b2) d^2; step = lr m / (sqrt(v) + tau), without bias correction; both moments
    start at 0.
    """

    title = "FedAdam"
    when_to_use = "Silos differ and FedAvg is slow or uneven: the server adapts the step of every parameter."
    moments = ("m", "v")

    name: Literal["fedadam"] = "fedadam"
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.01
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    tau: Annotated[float, Field(gt=0, le=1)] = 1e-8

    def step(self, mean: Block, moments: Sequence[Block], out: Block) -> Block:
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


STRATEGIES: Mapping[str, type[Strategy]] = MappingProxyType({"fedavg": FedAvg, "fedprox": FedProx, "fedadam": FedAdam})


def parse_strategy(data: Mapping[str, Any]) -> Strategy:
    """Read a job's strategy, as in ``{"name": "fedadam", "learning_rate": 0.01}``.

    Raises Invalid ``strategy.unknown`` or ``strategy.invalid``, with the field.
    """
    name = data.get("name")
    kind = STRATEGIES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise Invalid("strategy.unknown", f"The strategies are {', '.join(STRATEGIES)}.", "strategy.name")
    try:
        return kind.model_validate(dict(data))
    except ValidationError as error:
        raise refusal(error, "strategy.invalid", "strategy", data=data) from error
