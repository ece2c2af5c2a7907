"""What a job says about local training, and the seed that each silo's shuffling gets. No torch here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from federation.errors import Invalid
from federation.validation import refusal

CLIENT_HOOKS = frozenset({"proximal_term"})
"""What local training can do beyond plain steps, for strategies that need it."""


def check_client_hooks(needed: Iterable[str]) -> None:
    """Raise Invalid ``strategy.client_hook`` where local training can't do all that a strategy needs of it."""
    if missing := sorted(set(needed) - CLIENT_HOOKS):
        raise Invalid("strategy.client_hook", f"Local training has no {', '.join(missing)}.", "strategy.name")


class LocalTraining(BaseModel):
    """What every silo does with the global model in a round: exactly one of `steps` and `epochs` is given."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    epochs: Annotated[int, Field(ge=1, le=10_000)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 32
    learning_rate: Annotated[float, Field(gt=0, le=100)] = 0.01
    optimiser: Literal["sgd", "adam"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.0
    proximal_mu: Annotated[float, Field(ge=0, le=1e9)] = 0.0

    @model_validator(mode="after")
    def _check_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("Give either steps or epochs.")
        if self.optimiser == "adam" and self.momentum:
            raise ValueError("Momentum belongs to sgd.")
        return self

    def steps_for(self, rows: int) -> int:
        """Optimiser steps over this many rows; the last batch of a pass may be smaller."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return self.epochs * -(-rows // self.batch_size)


def parse_local(data: Mapping[str, Any]) -> LocalTraining:
    """Read a job's local training. Raises Invalid ``local.invalid``, with the field."""
    try:
        return LocalTraining.model_validate(dict(data))
    except ValidationError as error:
        raise refusal(error, "local.invalid", "local", data=data) from error


def round_seed(manifest_seed: int, silo_id: str, round_number: int) -> int:
    """The seed of one silo's shuffling in one round: 63 bits, the same on every machine."""
    text = f"consilience/shuffle/v1/{manifest_seed}/{silo_id}/{round_number}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
