"""Orders to countersign a head of the platform's audit log: anyone who rewrites history is refused at the next one.

A head is countersigned only where its order brings the proof that it follows from the one that is kept
(``federation.protocol.tree_heads``). What is kept is on disk before the signature is made.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass

from federation.errors import FederationError, Invalid
from federation.protocol import envelope
from federation.protocol.documents import AuditCheckpoint, CheckpointOrder, KeptHead, OrderKind, read
from federation.protocol.successions import KeyChain
from federation.protocol.tree_heads import UNPROVEN, TreeHead, why_not_after
from silo_connector.logs import Log
from silo_connector.trainer.egress.filter import check_may_leave
from silo_connector.trainer.kinds.kind import Incoming, SiloContext
from silo_connector.trainer.orders.verification import check_open
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.audit_checkpoints import KEEPING, SIGNED, store_heads, stored_heads
from silo_connector.trainer.store.log_breaks import BREAKS, OLDER, note_break
from silo_connector.trainer.store.order_store import Outcome

LOG = Log("trainer")
CHAINS_MAX = 1000
OTHER_HEAD = "checkpoint.other_head"
"""The proof begins at another head than is kept: the platform asks again, from the one that is reported."""


@dataclass(frozen=True)
class ShownHead:
    """A head that the platform has signed: the very bytes, and what they say."""

    order: CheckpointOrder
    payload: bytes
    said: AuditCheckpoint


class AuditCheckpointKind:
    """Needs no data and a moment's time: it does not wait for a training that is under way."""

    name = OrderKind.CHECKPOINT.value
    document = CheckpointOrder
    is_of_job = False
    is_urgent = True
    begins_round = False
    parameters: frozenset[str] = frozenset()

    def payload_kinds(self) -> Collection[str]:
        """None."""
        return ()

    def validate(self, order: CheckpointOrder, incoming: Incoming, silo: SiloContext) -> ShownHead:
        """The head, if the order is open and the platform has signed it. Raises Refused."""
        check_open(order, silo.clock.now())
        silo.clock.saw(order.issued_at)
        return _opened(order, incoming.trust.platform)

    def execute(self, work: ShownHead, incoming: Incoming, silo: SiloContext) -> Outcome:
        """Keep a head that is proven to follow from what is kept, and sign the same bytes. Twice is as once.

        Raises Refused ``checkpoint.*``, ``checkpoints.unreadable``: what is not proven to follow is never signed. The
        refusal reports which head is kept.
        """
        order, statement = work.order, work.said
        state = silo.config.trainer_state
        try:
            kept = stored_heads(state)
        except Invalid as error:
            raise Refused(error.code, error.message) from error
        before = kept.get(statement.chain)
        if before is None and len(kept) >= CHAINS_MAX:
            raise Refused("checkpoint.too_many", f"More than {CHAINS_MAX} chains are shown.")
        head = TreeHead(statement.position, statement.digest, statement.root)
        try:
            check_follows(statement.chain, before, head, order)
        except Refused as refused:
            if refused.code in BREAKS and before is not None:
                _note_break(silo, statement.chain, before, head)
            raise
        check_may_leave(statement)
        kept[statement.chain] = head
        silo.journal.add(KEEPING, chain=statement.chain, **asdict(head))
        store_heads(state, kept)
        silo.journal.add(
            SIGNED,
            durable=False,  # the line about the answer is, and this one with it
            order_id=str(order.order_id),
            silo_id=str(order.silo_id),
            number=order.number,
            chain=statement.chain,
            position=statement.position,
            digest=statement.digest,
            root=statement.root,
        )
        return Outcome(incoming.name, envelope.sign(work.payload, AuditCheckpoint.payload_type, silo.key))


def _note_break(silo: SiloContext, chain: str, kept: TreeHead, shown: TreeHead) -> None:
    """Inform the steward, once a break: by the log, the journal, the doctor and the platform's pages."""
    if note_break(silo.config.trainer_state, chain, kept, shown):
        hint = "the platform was restored or its log rewritten; see silo-connector accept-log"
        LOG.error(OLDER, chain=chain, kept=kept.position, shown=shown.position, hint=hint)
        silo.journal.add(OLDER, chain=chain, kept=asdict(kept), shown=asdict(shown))


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
    message = f"{chain} is kept here as of {kept.position} events, and the platform shows {head.position}: {code}."
    raise Refused(code, message, kept=KeptHead(**asdict(kept)))


def _place(head: TreeHead | KeptHead) -> tuple[int, bool]:
    """What a proof has to begin at: that its digests are those kept is for the proof to show."""
    return head.position, head.root is None


def _opened(order: CheckpointOrder, platform: KeyChain) -> ShownHead:
    """The bytes that the platform has signed, and what they say. Raises Refused ``checkpoint.untrusted``."""
    try:
        sealed = json.dumps(order.checkpoint).encode()
        payload = envelope.verify(sealed, AuditCheckpoint.payload_type, platform.keys).payload
        return ShownHead(order, payload, read(AuditCheckpoint, payload))
    except FederationError as error:
        raise Refused("checkpoint.untrusted", error.message) from error


KIND = AuditCheckpointKind()
