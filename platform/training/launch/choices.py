"""What a job may name: model families and strategies, with the JSON Schema of their settings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from federation.learning.models import FAMILIES
from federation.strategies import STRATEGIES
from plans.selectors import FAMILY


@dataclass(frozen=True)
class Choice:
    """One of several, as it is offered."""

    name: str
    title: str
    when_to_use: str
    settings: dict[str, Any]
    targets: tuple[str, ...] = ()
    """Those that a kind of model is for."""


def model_families(targets: Collection[str] | None = None) -> tuple[Choice, ...]:
    """The kinds of models, or those for these targets. A training plan is none: a job names it by its hash."""
    return tuple(
        Choice(
            family.name,
            family.title,
            family.when_to_use,
            family.Specification.model_json_schema(),
            tuple(sorted(family.targets)),
        )
        for family in FAMILIES.values()
        if family.name != FAMILY and (targets is None or not family.targets.isdisjoint(targets))
    )


def strategies() -> tuple[Choice, ...]:
    """What the platform can do with the silos' updates."""
    return tuple(
        Choice(name, strategy.title, strategy.when_to_use, strategy.model_json_schema())
        for name, strategy in STRATEGIES.items()
    )
