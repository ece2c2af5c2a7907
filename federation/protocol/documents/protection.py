"""How a job says that updates are protected. Which ways there are, ``federation.protection`` knows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, TypeAdapter, ValidationInfo, WithJsonSchema

from federation.protection import MODES
from federation.protocol.documents.base import Part


class Protection(Part):
    """How updates are protected on their way into the sum. Each mode has a part of its own, with what it needs."""

    mode: Annotated[str, Field(max_length=40)]


def _known(mode: str) -> str:
    if mode not in MODES:
        raise ValueError(f"The protection modes are {', '.join(MODES)}.")
    return mode


class _Named(Protection):
    """Of which only the mode is checked: there is no such mode."""

    mode: Annotated[str, Field(max_length=40), AfterValidator(_known)]


def _of_its_mode(value: Any, info: ValidationInfo) -> Any:
    """The part of the mode that is named."""
    if not isinstance(value, dict):
        return value
    mode = value.get("mode")
    part = MODES[mode].document if isinstance(mode, str) and mode in MODES else _Named
    return part.model_validate(value, extra=(info.context or {}).get("extra"))


AnyProtection = Annotated[SerializeAsAny[Protection], BeforeValidator(_of_its_mode)]
"""One of the modes, with its part."""
ProtectionMode = Annotated[
    str,
    Field(max_length=40),
    AfterValidator(_known),
    WithJsonSchema({"type": "string", "maxLength": 40, "description": "A protection mode."}),
]
"""The name of a mode. Who does not know it does not understand the term, and signs nothing with it."""


def parse_protection(data: Any) -> Protection:
    """Read a protection that stands by itself. Raises pydantic's ValidationError."""
    return _ADAPTER.validate_python(data)


_ADAPTER: TypeAdapter[Protection] = TypeAdapter(AnyProtection)
