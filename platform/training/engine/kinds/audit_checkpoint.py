"""The signed heads of the audit log as orders: each silo is to countersign them and keep the newest of each chain.

Each order brings the proof that its head follows from the one that the silo keeps, as it has said last. Who keeps a
head refuses another history of it: so no operator can rewrite the log unseen, also not if it grows again meanwhile.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from audit.actions import record
from audit.models import Checkpoint, Countersignature
from federation.errors import Invalid, Untrusted
from federation.protocol import documents, envelope, tree_heads
from federation.protocol.chains import consortium_of
from federation.protocol.documents import OrderKind
from federation.protocol.tree_heads import TreeHead
from rest.errors import Conflict, NotFound
from silos.models import Silo
from training.engine.kept_heads import record_kept_head
from training.models import Order, RefusalDocument
from training.transitions import OrderState

CONTRADICTIONS = frozenset({tree_heads.GOES_BACK, tree_heads.FORKED, tree_heads.UNPROVEN})
"""With these a silo says that the record is another one than it has countersigned before, or is not shown to be it."""


@transaction.atomic
def accept_countersignature(*, document: bytes, by: Silo) -> bool:
    """Keep a silo's signature on a head, and close its order; whether it is new.

    Raises Untrusted ``signature.invalid``, Invalid ``checkpoint.unknown`` where the platform has signed no such bytes.
    """
    if by.identity is None:
        raise Untrusted("silo.unconfirmed", "This silo has no identity key.")
    parsed = documents.verify_document(documents.AuditCheckpoint, document, [by.identity])
    root = None if parsed.root is None else bytes.fromhex(parsed.root)
    row = Checkpoint.objects.filter(chain=parsed.chain, position=parsed.position, root=root).first()
    if row is None or envelope.payload_unverified(bytes(row.document)) != envelope.payload_unverified(document):
        raise Invalid("checkpoint.unknown", "The platform has signed no such head.", "document")
    now = timezone.now()
    record_kept_head(chain=parsed.chain, head=TreeHead(parsed.position, parsed.digest, parsed.root), by=by)
    Order.objects.filter(silo=by, audit_checkpoint=row).move(OrderState.SUBMITTED, answered_at=now, ended_at=now)
    _, new = Countersignature.objects.get_or_create(
        checkpoint=row, silo_id=by.id, defaults={"document": document, "at": now}
    )
    return new


@transaction.atomic
def take_refusal(*, statement: documents.Refusal, document: bytes, by: Silo) -> str:
    """Keep a silo's refusal to countersign, and write it down: its code. The same bytes again change nothing.

    Raises NotFound ``order.not_found``, Invalid ``submission.other_order``, Conflict ``order.already_answered``.
    """
    order = (
        Order.objects.select_for_update(of=("self",))
        .select_related("audit_checkpoint")
        .filter(id=statement.order_id, silo=by, kind=OrderKind.CHECKPOINT.value)
        .first()
    )
    if order is None:
        raise NotFound("order.not_found", "This silo was given no such order.")
    if statement.silo_id != by.id or statement.number != order.number:
        raise Invalid("submission.other_order", "The answer does not fit the order that it names.", "order_id")
    checkpoint = order.audit_checkpoint
    assert checkpoint is not None  # a constraint says so
    if order.answered_at is not None:
        earlier = RefusalDocument.objects.filter(order=order).first()
        if earlier is None or bytes(earlier.document) != document:
            raise Conflict("order.already_answered", "This order was answered before, with other bytes.")
        return order.code
    now = timezone.now()
    state = OrderState.LATE if order.state == OrderState.EXPIRED else OrderState.REFUSED
    Order.objects.filter(id=order.id).move(
        state, answered_at=now, ended_at=now, code=statement.code, message=statement.message
    )
    RefusalDocument.objects.create(order=order, document=document, received_at=now)
    if statement.kept is not None:
        record_kept_head(chain=checkpoint.chain, head=TreeHead(**statement.kept.model_dump()), by=by, is_its_word=True)
    record(
        by=by,
        verb="checkpoint.contradicted" if statement.code in CONTRADICTIONS else "checkpoint.refused",
        subject=by,
        consortium_id=consortium_of(checkpoint.chain),
        organisation_id=by.organisation_id,
        detail={"position": checkpoint.position, "code": statement.code, "reason": statement.message},
    )
    return statement.code


class AuditCheckpointKind:
    """To countersign a head of the audit log."""

    kind = OrderKind.CHECKPOINT
    answer_type = documents.AuditCheckpoint.payload_type

    def accept(self, document: bytes, by: Silo) -> OrderState:
        """A head with the silo's signature."""
        accept_countersignature(document=document, by=by)
        return OrderState.SUBMITTED

    def refuse(self, statement: documents.Refusal, document: bytes, by: Silo) -> str:
        """Why it keeps another one."""
        return take_refusal(statement=statement, document=document, by=by)


STATEMENT_KIND = AuditCheckpointKind()
