"""The model families: one module of this package each, found by looking. To add one, add a file with a ``FAMILY``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from federation.discovery import Offers
from federation.errors import Invalid
from federation.learning.family import Family, ModelSpecification
from federation.targets import TARGETS
from federation.validation import refusal

__all__ = ["FAMILIES", "parse_model"]


def _order(family: Family) -> tuple[int, str]:
    """Those for the targets that stand first, by name; one for targets that nobody has stands last."""
    return min((TARGETS[name].rank for name in family.targets if name in TARGETS), default=1000), family.name


FAMILIES: Mapping[str, Family] = Offers(__name__, "FAMILY", sort_key=_order)


def parse_model(data: Mapping[str, Any]) -> tuple[Family, ModelSpecification]:
    """Read a declarative specification, as in ``{"family": "mlp", "hidden": [64, 32]}``.

    Raises Invalid ``model.unknown_family`` or ``model.invalid``, with the field.
    """
    name = data.get("family")
    family = FAMILIES.get(name) if isinstance(name, str) else None
    if family is None:
        raise Invalid("model.unknown_family", f"The families are {', '.join(FAMILIES)}.", "model.family")
    try:
        return family, family.Specification.model_validate(dict(data))
    except ValidationError as error:
        raise refusal(error, "model.invalid", "model", data=data) from error
