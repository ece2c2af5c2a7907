"""No protection: the update leaves as it is, as tensors that the egress filter checks and the platform reads."""

from __future__ import annotations

from federation.protection.clear import MODE
from federation.protocol.documents import Manifest, Order, Payload
from silo_connector.trainer.protection.base import TrainedUpdate


class Clear:
    """Nothing is done to it."""

    mode = MODE.name

    def protect(self, update: TrainedUpdate, order: Order, manifest: Manifest) -> Payload:
        """As training left it."""
        del order, manifest
        return Payload(kind=MODE.update_kind, digest=update.digest, size_bytes=update.size_bytes)


PROTECTION = Clear()
