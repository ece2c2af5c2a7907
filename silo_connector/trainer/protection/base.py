"""What a protection mode is to the trainer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from federation.protocol.documents import Manifest, Order, Payload


@dataclass(frozen=True)
class TrainedUpdate:
    """An update as training left it: the model's tensors, in a file."""

    file: Path
    digest: str
    size_bytes: int


class UpdateProtection(Protocol):
    """One mode, as it is carried out here."""

    mode: str
    """As manifests say it."""

    def protect(self, update: TrainedUpdate, order: Order, manifest: Manifest) -> Payload:
        """Leave in the update's file what may leave the silo, and say what it is.

        It is of the mode's `update_kind` (``federation.protection``). Raises Refused.
        """
        ...
