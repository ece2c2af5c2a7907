"""The heads of the platform's audit chains, countersigned and kept: whoever rewrites history later is found out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from federation.errors import FederationError, Invalid
from federation.protocol import envelope
from federation.protocol.documents import AuditCheckpoint, read
from federation.protocol.keys import PrivateKey
from federation.protocol.successions import KeyChain
from silo_connector.folders import Folder
from silo_connector.journal import Journal
from silo_connector.logs import Log
from silo_connector.trainer.leaving import check_may_leave
from silo_connector.trainer.outcomes import Outcomes

LOG = Log("trainer")
FILE = "checkpoints.json"
CHAINS_MAX = 1000
AT_ONCE_MAX = 100


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


class Checkpoints:
    """What the trainer does with the heads that the platform shows."""

    def __init__(self, state: Path, key: PrivateKey, outcomes: Outcomes, journal: Journal) -> None:
        self._state = state
        self._key = key
        self._outcomes = outcomes
        self._journal = journal
        self._seen: bytes | None = None

    def look(self, handed: bytes | None, platform: KeyChain) -> None:
        """Judge what the relay has brought, once; what does not follow from what is kept is told and not signed."""
        if handed is None or handed == self._seen:
            return
        self._seen = handed
        try:
            kept = kept_checkpoints(self._state)
            entries = json.loads(handed)
        except (Invalid, ValueError, RecursionError) as error:
            LOG.error("checkpoint.unreadable", reason=str(error))
            return
        for entry in entries[:AT_ONCE_MAX] if isinstance(entries, list) else []:
            try:
                self._take(json.dumps(entry).encode(), platform, kept)
            except FederationError as error:
                LOG.error("checkpoint.refused", code=error.code, reason=error.message)
                self._journal.add("checkpoint.refused", code=error.code, reason=error.message)

    def _take(self, sealed: bytes, platform: KeyChain, kept: dict[str, Kept]) -> None:
        payload = envelope.verify(sealed, AuditCheckpoint.payload_type, platform.keys).payload
        said = read(AuditCheckpoint, payload)
        before = kept.get(said.chain)
        if before is not None:
            if said.position < before.position:
                raise Invalid(
                    "checkpoint.goes_back", f"{said.chain} was at {before.position} and is at {said.position}."
                )
            if said.position == before.position:
                if said.digest != before.digest:
                    raise Invalid("checkpoint.forked", f"{said.chain} has two histories of {said.position} events.")
                return
        elif len(kept) >= CHAINS_MAX:
            raise Invalid("checkpoint.too_many", f"More than {CHAINS_MAX} chains are shown.")
        check_may_leave(said)
        kept[said.chain] = Kept(said.position, said.digest)
        self._keep(kept)
        self._outcomes.put_checkpoint(envelope.sign(payload, AuditCheckpoint.payload_type, self._key))
        self._journal.add("checkpoint.countersigned", chain=said.chain, position=said.position, digest=said.digest)

    def _keep(self, kept: dict[str, Kept]) -> None:
        content = {name: {"position": one.position, "digest": one.digest} for name, one in kept.items()}
        with Folder.open(self._state) as folder:
            folder.replace(FILE, json.dumps(content, indent=1).encode())
