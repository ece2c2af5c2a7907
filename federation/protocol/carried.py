"""Fields that a later minor version of the protocol has added: kept as they came, and said again."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class CarriesUnknown(BaseModel):
    """Immutable and closed to unknown fields, unless its reader lets those of a later version in (``signing.read``).

    What was let in is in `model_extra`, and in what is dumped again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Its return type is not annotated: pydantic would describe every document as an object of anything.
    @model_serializer(mode="wrap")
    def _with_unknown(self, handler: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        statement: dict[str, Any] = handler(self)
        return {**statement, **self.model_extra} if self.model_extra else statement
