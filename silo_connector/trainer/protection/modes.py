"""The modes of protection that this connector can carry out. What is not here is refused, never passed over."""

from __future__ import annotations

from federation.protocol.documents import Manifest
from silo_connector.trainer.refusals import Refused

CLEAR = "clear"
"""The update leaves as it is: float32 tensors that the egress filter checks and the platform reads."""
SUPPORTED = frozenset({CLEAR})


def check_supported(manifest: Manifest) -> None:
    """Raise Refused for what an agreement may allow and this connector can't do: it is never passed over."""
    if manifest.protection.mode not in SUPPORTED:
        raise Refused("protection.not_supported", "The manifest asks for another protection mode.", "protection.mode")
    if manifest.privacy is not None:
        raise Refused("privacy.not_supported", "The manifest has privacy settings.", "privacy")
