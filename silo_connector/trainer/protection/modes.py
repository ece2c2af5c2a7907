"""The modes of protection that this connector can carry out. What is not here is refused, never passed over."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from federation.protocol.documents import Manifest
from silo_connector.trainer.refusals import Refused

CLEAR = "clear"
"""The update leaves as it is: float32 tensors that the egress filter checks and the platform reads."""
PAYLOADS: Mapping[str, frozenset[str]] = MappingProxyType({CLEAR: frozenset({"update.f32"})})
"""The modes, each with the kinds of payload that it makes."""
SUPPORTED = frozenset(PAYLOADS)


def check_supported(manifest: Manifest) -> None:
    """Raise Refused for what an agreement may allow and this connector can't do: it is never passed over."""
    if manifest.protection.mode not in SUPPORTED:
        raise Refused("protection.not_supported", "The manifest asks for another protection mode.", "protection.mode")
    if manifest.privacy is not None:
        raise Refused("privacy.not_supported", "The manifest has privacy settings.", "privacy")
