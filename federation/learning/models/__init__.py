"""The model families: one module of this package each, found by looking. To add one, add a file with a ``FAMILY``."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from federation.errors import Invalid
from federation.learning.family import Family, ModelSpecification
from federation.validation import refusal

__all__ = ["FAMILIES", "parse_model"]


def _find() -> Mapping[str, Family]:
    found: dict[str, Family] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        family: Family = importlib.import_module(f"{__name__}.{module.name}").FAMILY
        found[family.name] = family
    return MappingProxyType(found)


FAMILIES: Mapping[str, Family] = _find()


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
