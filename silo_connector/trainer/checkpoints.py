"""The heads of the platform's audit chains, countersigned and kept: whoever rewrites history later is found out."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from federation.errors import FederationError, Invalid
from federation.protocol import envelope
from federation.protocol.documents import AuditCheckpoint, CheckpointOrder, read
from federation.protocol.keys import PrivateKey
from federation.protocol.successions import KeyChain
from silo_connector.folders import Folder
from silo_connector.journal import Journal, entries
from silo_connector.trainer.leaving import check_may_leave
from silo_connector.trainer.refusals import Refused

FILE = "checkpoints.json"
SIGNED = "checkpoint.countersigned"
CHAINS_MAX = 1000


@dataclass(frozen=True)
class Kept:
    """How far a chain had come, as the platform signed it."""

    position: int
    digest: str


def kept_checkpoints(state: Path) -> dict[str, Kept]:
    """What is kept of each chain; nothing where the file is not there. Raises Invalid ``checkpoints.unreadable``."""
    try:
        text = (state / FILE).read_text()
    except FileNotFoundError:
        return {}
    try:
        return {str(name): Kept(int(said["position"]), str(said["digest"])) for name, said in json.loads(text).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid("checkpoints.unreadable", f"{state / FILE} is damaged: restore it from a backup.") from error


def heads_seen(state: Path) -> dict[str, set[tuple[int, str]]]:
    """Position and digest of every head that was ever countersigned here, by chain: what is kept, and the journal's.

    The newest alone would not do: whoever rewrites history, and has it grow past that one before the next order, or
    shows a record that ends before it, is found by those that were signed earlier. Raises as `kept_checkpoints`.
    """
    found: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for chain, kept in kept_checkpoints(state).items():
        found[chain].add((kept.position, kept.digest))
    for entry in entries(state, SIGNED):
        match entry:
            case {"chain": str(chain), "position": int(position), "digest": str(digest)}:
                found[chain].add((position, digest))
    return found


def raise_heads(state: Path, known: Mapping[str, Kept]) -> None:
    """Keep at least these heads: what was lost is taken from the journal again. Raises as `kept_checkpoints`."""
    kept = kept_checkpoints(state)
    behind = {
        chain: head
        for chain, head in known.items()
        if chain not in kept or (kept[chain] != head and kept[chain].position <= head.position)
    }
    if behind:
        _write(state, {**kept, **behind})


class Checkpoints:
    """What the trainer does with the heads that the platform orders it to countersign."""

    def __init__(self, state: Path, key: PrivateKey, journal: Journal) -> None:
        self._state = state
        self._key = key
        self._journal = journal

    def countersign(self, order: CheckpointOrder, platform: KeyChain) -> bytes:
        """Keep a head that follows from what is kept, and sign the same bytes. Doing it again changes nothing.

        Raises Refused ``checkpoint.*``, ``checkpoints.unreadable``: what does not follow is never signed.
        """
        payload, said = _opened(order, platform)
        try:
            kept = kept_checkpoints(self._state)
        except Invalid as error:
            raise Refused(error.code, error.message) from error
        before = kept.get(said.chain)
        if before is None and len(kept) >= CHAINS_MAX:
            raise Refused("checkpoint.too_many", f"More than {CHAINS_MAX} chains are shown.")
        if before is not None and said.position < before.position:
            raise Refused("checkpoint.goes_back", f"{said.chain} was at {before.position} and is at {said.position}.")
        if before is not None and said.position == before.position and said.digest != before.digest:
            raise Refused("checkpoint.forked", f"{said.chain} has two histories of {said.position} events.")
        check_may_leave(said)
        kept[said.chain] = Kept(said.position, said.digest)
        _write(self._state, kept)
        self._journal.add(
            SIGNED,
            durable=False,  # the line about the answer is, and this one with it
            order_id=str(order.order_id),
            silo_id=str(order.silo_id),
            number=order.number,
            chain=said.chain,
            position=said.position,
            digest=said.digest,
        )
        return envelope.sign(payload, AuditCheckpoint.payload_type, self._key)


def _write(state: Path, kept: Mapping[str, Kept]) -> None:
    content = {name: {"position": one.position, "digest": one.digest} for name, one in kept.items()}
    with Folder.open(state) as folder:
        folder.replace(FILE, json.dumps(content, indent=1).encode())


def _opened(order: CheckpointOrder, platform: KeyChain) -> tuple[bytes, AuditCheckpoint]:
    """The bytes that the platform has signed, and what they say. Raises Refused ``checkpoint.untrusted``."""
    try:
        sealed = json.dumps(order.checkpoint).encode()
        payload = envelope.verify(sealed, AuditCheckpoint.payload_type, platform.keys).payload
        return payload, read(AuditCheckpoint, payload)
    except FederationError as error:
        raise Refused("checkpoint.untrusted", error.message) from error
