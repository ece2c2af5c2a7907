"""How updates are protected on their way to the platform: a module for each mode that this connector carries out.

They are found by looking. To add one, add a file with a ``PROTECTION``. What is not here is refused, never passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

from federation.discovery import Offers
from federation.protocol.documents import Manifest
from silo_connector.trainer.protection.base import UpdateProtection
from silo_connector.trainer.refusals import Refused

__all__ = ["PROTECTIONS", "UpdateProtection", "check_supported", "protection_of"]

PROTECTIONS: Mapping[str, UpdateProtection] = Offers(
    __name__, "PROTECTION", name=attrgetter("mode"), sort_key=attrgetter("mode")
)


def check_supported(manifest: Manifest) -> None:
    """Raise Refused for what an agreement may allow and this connector can't do: it is never passed over."""
    if manifest.protection.mode not in PROTECTIONS:
        raise Refused("protection.not_supported", "The manifest asks for another protection mode.", "protection.mode")
    if manifest.privacy is not None or manifest.privacy_cost is not None:
        raise Refused("privacy.not_supported", "The manifest has privacy settings.", "privacy")


def protection_of(manifest: Manifest) -> UpdateProtection:
    """What is done to the updates of a job whose manifest was found to be supported."""
    return PROTECTIONS[manifest.protection.mode]
