"""What somebody asks for who launches a job: read, bounded, and explained by field where it is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from federation.aggregation.strategies import parse_strategy
from federation.errors import Invalid
from federation.learning.models import parse_model
from federation.learning.specification import LocalTraining, parse_local
from federation.protocol.documents import Limits, Protection


class JobRequest(BaseModel):
    """A job as asked for. `protection` has to be said: nobody trains in clear by default."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
    purpose: Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")] = ""
    task: Literal["train", "evaluate"] = "train"
    datasets: Annotated[list[UUID], Field(min_length=1, max_length=1000)]
    protection: Protection
    model: dict[str, Any] | None = None
    strategy: dict[str, Any] = Field(default_factory=lambda: {"name": "fedavg"})
    local: dict[str, Any] = Field(default_factory=lambda: {"epochs": 1})
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 10
    quorum: Annotated[int, Field(ge=1, le=1000)] | None = None
    round_deadline_s: Annotated[float, Field(ge=1, le=30 * 86400)] = 600
    retries_max: Annotated[int, Field(ge=0, le=100)] = 3
    limits: Limits = Field(default_factory=Limits)
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    model_version: UUID | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.task == "train") != (self.model is not None):
            raise ValueError("a training job names a model, an evaluation does not")
        if (self.task == "evaluate") != (self.model_version is not None):
            raise ValueError("an evaluation names a stored model_version, a training job does not")
        if self.quorum is not None and self.quorum > len(self.datasets):
            raise ValueError("the quorum is larger than the number of silos")
        if len(set(self.datasets)) != len(self.datasets):
            raise ValueError("a dataset is named twice")
        return self

    @property
    def effective_quorum(self) -> int:
        """The quorum; three quarters of the silos, rounded up, when none was asked for."""
        return self.quorum if self.quorum is not None else -(-3 * len(self.datasets) // 4)

    @property
    def local_training(self) -> LocalTraining:
        """What silos do in a round; FedProx puts its proximal term in."""
        mu = self.strategy.get("proximal_mu") if self.strategy.get("name") == "fedprox" else None
        return parse_local({**self.local, "proximal_mu": mu} if mu is not None else self.local)


def read_request(data: Mapping[str, Any]) -> JobRequest:
    """Read a launch request whole. Raises Invalid with a code and a field; what passes here names real things only."""
    try:
        request = JobRequest.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        code = {"protection": "job.protection"}.get(str(first["loc"][0]) if first["loc"] else "", "job.invalid")
        raise Invalid(code, first["msg"].removeprefix("Value error, "), field) from error
    if request.model is not None:
        parse_model(request.model)
        parse_strategy(request.strategy)
        _ = request.local_training
    return request
