"""The keys that a trainer knows as its own: its identity, and its organisation's signatory key as it has pinned it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from federation.errors import Invalid
from federation.protocol.keys import PrivateKey, PublicKey
from silo_connector.config import Config

IDENTITY_KEY = "identity.key"
SIGNATORY_PIN = "signatory.pin.json"
PINNED = "signatory.pinned"


@dataclass(frozen=True)
class Signatory:
    """An organisation's signatory key as its own trainers know it."""

    organisation: str
    key: PublicKey

    def to_json(self) -> str:
        """The public card of the key."""
        card = {"organisation": self.organisation, "public_key": self.key.encoded, "key_id": self.key.key_id}
        return json.dumps(card, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Signatory:
        """Read the card. Raises Invalid ``signatory.invalid``."""
        try:
            card = json.loads(text)
            return cls(str(card["organisation"]), PublicKey.from_encoded(card["public_key"]))
        except (ValueError, KeyError, TypeError) as error:
            raise Invalid("signatory.invalid", "This is no card of a signatory key.") from error


def pinned_signatory(config: Config) -> Signatory | None:
    """The organisation's key that this trainer has pinned."""
    pin = config.trainer_state / SIGNATORY_PIN
    return Signatory.from_json(pin.read_text()) if pin.exists() else None


def identity_key(config: Config) -> PrivateKey:
    """The silo's identity key. Raises Invalid ``key.unreadable`` before ``prepare``."""
    return PrivateKey.load(config.trainer_state / IDENTITY_KEY)
