"""A silo's own hard limits: what no agreement can loosen, and the platform can't change."""

from __future__ import annotations

import tomllib
from datetime import datetime, time
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from federation.errors import Invalid
from federation.validation import refusal


class QuietHours(BaseModel):
    """Hours of the day in which nothing is trained; they may go over midnight."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: time
    end: time

    def cover(self, at: time) -> bool:
        """Whether this time of day is quiet. The same begin and end mean the whole day."""
        if self.begin < self.end:
            return self.begin <= at < self.end
        return at >= self.begin or at < self.end


class Policy(BaseModel):
    """``policy.toml``: each limit that is given holds, whatever an agreement allows."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    disclose_rule: bool = False
    """Whether a refusal by this policy names its rule; else it is reported as ``refused.local_policy``."""
    time_zone: str = "UTC"
    quiet_hours: tuple[QuietHours, ...] = Field(default=(), max_length=20)
    epsilon_max: Annotated[float, Field(ge=0)] | None = None
    families: tuple[str, ...] | None = None
    parameters_max: Annotated[int, Field(ge=1)] | None = None
    custom_code: Literal["never", "approved"] = "never"
    rounds_per_day_max: Annotated[int, Field(ge=0)] | None = None
    statistics_per_day_max: Annotated[int, Field(ge=0)] = 3
    """How many jobs of statistics each data set answers a day, by UTC: many questions together reveal more than
    each.
    """
    minimum_participants: Annotated[int, Field(ge=1)] = 1
    minimum_rows: Annotated[int, Field(ge=0)] = 0
    organisation_share_max: Annotated[float, Field(gt=0, le=1)] | None = None
    gpu_share_max: Annotated[float, Field(ge=0, le=1)] = 1.0
    memory_share_max: Annotated[float, Field(gt=0, le=1)] = 1.0

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("There is no such time zone; an example is Europe/Zurich.") from error
        return name

    def is_quiet(self, moment: datetime) -> bool:
        """Whether nothing is to be done now."""
        at = moment.astimezone(ZoneInfo(self.time_zone)).time()
        return any(hours.cover(at) for hours in self.quiet_hours)


def parse_policy(text: str) -> Policy:
    """Read ``policy.toml``. Raises Invalid ``policy.invalid`` with the setting at fault."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid("policy.invalid", f"policy.toml is no TOML: {error}") from error
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        raise refusal(error, "policy.invalid", data=data) from error
