"""What silos have sent in a step, as closing hands it on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from federation.protocol.rows import RowLimits


@dataclass(frozen=True)
class Brought:
    """An artefact that came with an answer."""

    kind: str
    digest: str


@dataclass(frozen=True)
class Answer:
    """What a silo has sent."""

    order_id: UUID
    payloads: Mapping[str, Brought]
    """By the names that the order has for them."""
    rows: int
    limits: RowLimits
