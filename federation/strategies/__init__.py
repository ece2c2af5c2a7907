"""The server strategies: one module each, found by looking. To add one, add a file with a ``STRATEGY``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from federation.discovery import Offers
from federation.errors import Invalid
from federation.strategies.base import Strategy, UpdatesNeeded
from federation.validation import refusal

__all__ = ["STRATEGIES", "Strategy", "UpdatesNeeded", "parse_strategy"]


def _name(strategy: type[Strategy]) -> str:
    """The name as jobs write it."""
    return str(strategy.model_fields["name"].default)


STRATEGIES: Mapping[str, type[Strategy]] = Offers(
    __name__, "STRATEGY", name=_name, sort_key=lambda strategy: (strategy.rank, _name(strategy))
)


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
