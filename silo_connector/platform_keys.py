"""The platform's key as this silo knows it: the one that a person has pinned, and what has succeeded it since.

The trainer keeps the chain in its own state and verifies it again whenever it reads it: a chain that somebody has
changed is no chain. It begins at a key that was pinned once; pinning another one begins again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from federation.errors import FederationError, Invalid
from federation.protocol import envelope
from federation.protocol.documents import Order, now
from federation.protocol.keys import PublicKey
from federation.protocol.successions import KeyChain
from silo_connector import spool
from silo_connector.folders import SafeDir

CHAIN_FILE = "platform-keys.json"
_CHAIN_BYTES_MAX = 4 << 20


def known_chain(state: Path) -> KeyChain | None:
    """The chain that was kept, if one was. Raises Invalid ``platform_keys.unreadable``."""
    try:
        with SafeDir.open(state) as folder:
            data = json.loads(folder.read(CHAIN_FILE, _CHAIN_BYTES_MAX))
        chain = KeyChain(PublicKey.from_encoded(data["root"]))
        for entry in data["successions"]:
            longer = chain.verify_and_extend([json.dumps(entry, separators=(",", ":")).encode()], now=None)
            if longer is chain:
                raise Invalid("succession.gap", "A kept succession does not follow the one before it.")
            chain = longer
    except Invalid as error:
        if error.code == "spool.missing":
            return None
        raise _unreadable(state, error.message) from error
    except (FederationError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(state, str(error)) from error
    return chain


def chain_from(state: Path, pinned: PublicKey) -> KeyChain:
    """The chain of the pinned key: the kept one where the key is in it, so that pinning can't lead back."""
    known = known_chain(state)
    return known if known is not None and pinned.key_id in known.key_ids else KeyChain(pinned)


def store_chain(state: Path, chain: KeyChain) -> None:
    """Keep a chain; it is on the disk when this returns."""
    successions = [json.loads(link.sealed) for link in chain.links]
    content = json.dumps({"root": chain.root.encoded, "successions": successions}, indent=1)
    with SafeDir.open(state) as folder:
        folder.replace(CHAIN_FILE, content.encode())


def follow(chain: KeyChain, order: bytes, delivered: SafeDir) -> KeyChain:
    """The chain under which an order is to be checked: a longer one if a key that is not known has signed it.

    Only successions that lead to the very key that signed the order count. Raises what `KeyChain.extended` raises, and
    Untrusted ``signature.invalid`` when they don't lead there.
    """
    if envelope.signers(order) & chain.key_ids or not delivered.exists(spool.SUCCESSIONS):
        return chain
    longer = chain.verify_and_extend(_read(delivered), now=now())
    envelope.verify(order, Order.payload_type, longer.keys)
    return longer


def _read(folder: SafeDir) -> Sequence[bytes]:
    try:
        entries = json.loads(folder.read(spool.SUCCESSIONS, spool.SMALL_BYTES_MAX))
    except (ValueError, RecursionError) as error:
        raise Invalid("succession.malformed", "The successions that came with the order can't be read.") from error
    if not isinstance(entries, list):
        raise Invalid("succession.malformed", "The successions that came with the order are no list.")
    return [json.dumps(entry, separators=(",", ":")).encode() for entry in entries]


def _unreadable(state: Path, reason: str) -> Invalid:
    return Invalid(
        "platform_keys.unreadable",
        f"{state / CHAIN_FILE} is damaged ({reason}). Restore it from the backup of the trainer's state; or compare "
        "the platform's key by telephone, put it into connector.toml and remove the file.",
    )
