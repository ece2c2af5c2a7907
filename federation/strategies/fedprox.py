"""FedProx: FedAvg with silos held near the global model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from federation.strategies.base import Block, Strategy


class FedProx(Strategy):
    """FedAvg on the server; silos are held near the global model by a proximal term (Li et al. 2020)."""

    title = "FedProx"
    rank = 20
    client_hooks = ("proximal_term",)
    when_to_use = "Silos differ or do many local steps, and their updates drift apart."

    name: Literal["fedprox"] = "fedprox"
    proximal_mu: Annotated[float, Field(ge=0, le=1e9)] = 0.01

    @property
    def local_settings(self) -> Mapping[str, float]:
        """The weight of the proximal term; none where it is 0, which is FedAvg."""
        return {"proximal_mu": self.proximal_mu} if self.proximal_mu else {}

    def server_update(self, mean: Block, moments: Sequence[Block], out: Block) -> Block:
        """The mean itself."""
        return mean


STRATEGY = FedProx
