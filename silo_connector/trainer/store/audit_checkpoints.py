"""The heads of the platform's audit log, countersigned and kept: whoever rewrites history is refused at the next one.

A head is countersigned only where its order brings the proof that it follows from the one that is kept
(``federation.protocol.tree_heads``). What is kept is on disk before the signature is made.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from federation.errors import FederationError, Invalid
from federation.protocol import envelope
from federation.protocol.documents import AuditCheckpoint, CheckpointOrder, KeptHead, read
from federation.protocol.keys import PrivateKey
from federation.protocol.successions import KeyChain
from federation.protocol.tree_heads import UNPROVEN, TreeHead, why_not_after
from silo_connector.folders import SafeDir
from silo_connector.journal import Journal, all_entries, entries
from silo_connector.logs import Log
from silo_connector.trainer.egress.filter import check_may_leave
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.log_breaks import BREAKS, OLDER, note_break

LOG = Log("trainer")
FILE = "checkpoints.json"
SIGNED = "checkpoint.countersigned"
KEEPING = "checkpoint.keeping"
"""A head is about to be kept: what is kept without such a line shows that the journal was put back."""
LOG_ACCEPTED = "log.accepted"
"""The organisation accepted another log of a chain: from this line of the journal on, that one is kept."""
CHAINS_MAX = 1000
OTHER_HEAD = "checkpoint.other_head"
"""The proof begins at another head than is kept: the platform asks again, from the one that is told."""


def kept_checkpoints(state: Path) -> dict[str, TreeHead]:
    """What is kept of each chain; nothing where the file is not there. Raises Invalid ``checkpoints.unreadable``."""
    try:
        text = (state / FILE).read_text()
    except FileNotFoundError:
        return {}
    try:
        return {str(name): _head(said) for name, said in json.loads(text).items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Invalid("checkpoints.unreadable", f"{state / FILE} is damaged: restore it from a backup.") from error


def _head(said: Mapping[str, Any]) -> TreeHead:
    root = said.get("root")
    return TreeHead(int(said["position"]), str(said["digest"]), None if root is None else str(root))


def heads_seen(state: Path) -> dict[str, set[TreeHead]]:
    """Every head that was ever countersigned here, by chain: what is kept, and the journal's.

    The newest alone would not do for what was signed without proofs, under protocol 1.0: whoever rewrote history then,
    and had it grow past that one before the next order, or shows a record that ends before it, is found by those that
    were signed earlier. Raises as `kept_checkpoints`.
    """
    found: dict[str, set[TreeHead]] = defaultdict(set)
    for chain, kept in kept_checkpoints(state).items():
        found[chain].add(kept)
    newest = {chain: set(heads) for chain, heads in found.items()}
    for entry in all_entries(state):
        match entry:
            case {"event": event, "chain": str(chain), "position": int(position), "digest": str(digest)} if (
                event == SIGNED
            ):
                root = entry.get("root")
                found[chain].add(TreeHead(position, digest, root if isinstance(root, str) else None))
            case {"event": event, "chain": str(chain)} if event == LOG_ACCEPTED:
                found[chain] = set(newest.get(chain, ()))  # what was before is `breaks_seen`
    return found


def breaks_seen(state: Path) -> dict[str, set[TreeHead]]:
    """The heads that were given up, by chain, as the organisation accepted another log: no log leads through them."""
    found: dict[str, set[TreeHead]] = defaultdict(set)
    for entry in entries(state, LOG_ACCEPTED):
        match entry:
            case {"chain": str(chain), "kept": dict(said)}:
                found[chain].add(_head(said))
    return found


def keep_instead(state: Path, chain: str, head: TreeHead) -> None:
    """Keep another head of a chain, as the organisation has accepted. Raises as `kept_checkpoints`."""
    _write(state, {**kept_checkpoints(state), chain: head})


def raise_heads(state: Path, known: Mapping[str, TreeHead]) -> None:
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
        """Keep a head that is proven to follow from what is kept, and sign the same bytes. Twice is as once.

        Raises Refused ``checkpoint.*``, ``checkpoints.unreadable``: what is not proven to follow is never signed. The
        refusal tells which head is kept.
        """
        payload, said = _opened(order, platform)
        try:
            kept = kept_checkpoints(self._state)
        except Invalid as error:
            raise Refused(error.code, error.message) from error
        before = kept.get(said.chain)
        if before is None and len(kept) >= CHAINS_MAX:
            raise Refused("checkpoint.too_many", f"More than {CHAINS_MAX} chains are shown.")
        head = TreeHead(said.position, said.digest, said.root)
        try:
            check_follows(said.chain, before, head, order)
        except Refused as refused:
            if refused.code in BREAKS and before is not None:
                self._note_break(said.chain, before, head)
            raise
        check_may_leave(said)
        kept[said.chain] = head
        self._journal.add(KEEPING, chain=said.chain, **asdict(head))
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
            root=said.root,
        )
        return envelope.sign(payload, AuditCheckpoint.payload_type, self._key)

    def _note_break(self, chain: str, kept: TreeHead, shown: TreeHead) -> None:
        """Tell the steward, once a break: by the log, the journal, the doctor and the platform's pages."""
        if note_break(self._state, chain, kept, shown):
            hint = "the platform was restored or its log rewritten; see silo-connector accept-log"
            LOG.error(OLDER, chain=chain, kept=kept.position, shown=shown.position, hint=hint)
            self._journal.add(OLDER, chain=chain, kept=asdict(kept), shown=asdict(shown))


def _write(state: Path, kept: Mapping[str, TreeHead]) -> None:
    content = {name: asdict(one) for name, one in kept.items()}
    with SafeDir.open(state) as folder:
        folder.replace(FILE, json.dumps(content, indent=1).encode())


def check_follows(chain: str, kept: TreeHead | None, head: TreeHead, order: CheckpointOrder) -> None:
    """Here it is decided whether a head goes on from what this silo keeps. Raises Refused ``checkpoint.*``.

    The first head of a chain is believed as it is: there is nothing yet that it could contradict.
    """
    if kept is None:
        if head.root is None:
            raise Refused(UNPROVEN, f"The head of {chain} has no root: from it no later one could be proven to follow.")
        return
    proof = order.proof
    is_of_kept = proof is not None and _place(proof.follows) == _place(kept)
    code = why_not_after(kept, head, proof.hashes if proof is not None and is_of_kept else None)
    if code is None:
        return
    if code == UNPROVEN and head.root is not None and proof is not None and not is_of_kept:
        code = OTHER_HEAD
    told = f"{chain} is kept here as of {kept.position} events, and the platform shows {head.position}: {code}."
    raise Refused(code, told, kept=KeptHead(**asdict(kept)))


def _place(head: TreeHead | KeptHead) -> tuple[int, bool]:
    """What a proof has to begin at: that its digests are those kept is for the proof to show."""
    return head.position, head.root is None


def _opened(order: CheckpointOrder, platform: KeyChain) -> tuple[bytes, AuditCheckpoint]:
    """The bytes that the platform has signed, and what they say. Raises Refused ``checkpoint.untrusted``."""
    try:
        sealed = json.dumps(order.checkpoint).encode()
        payload = envelope.verify(sealed, AuditCheckpoint.payload_type, platform.keys).payload
        return payload, read(AuditCheckpoint, payload)
    except FederationError as error:
        raise Refused("checkpoint.untrusted", error.message) from error
