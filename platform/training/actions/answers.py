"""What silos answer to orders."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from artefacts import store
from audit.models import EVIDENCE
from audit.statements import event_of
from federation.errors import Invalid, Transient, Untrusted
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import OrderKind, Refusal, open_sealed
from federation.protocol.documents import Submission as SubmissionDocument
from federation.protocol.envelope import payload_type_of
from rest.errors import Conflict, NotFound
from silos.models import Silo
from training import dispatch
from training.actions.states import tell
from training.checkpointing import take_refusal
from training.models import Job, KeptRefusal, Order, Submission
from training.statements import orders as statements
from training.statements.orders import AnsweredOrder
from training.transitions import OUTSTANDING, OrderState


@dataclass(frozen=True)
class Taken:
    """What has become of an order by its answer."""

    state: OrderState
    code: str = ""


def answer(*, document: bytes, by: Silo, payload: bytes | None = None) -> Taken:
    """Take a silo's signed answer to an order. The same bytes again change nothing; another answer is a conflict.

    A small payload may come along; a larger one was uploaded before.
    Raises Untrusted ``signature.invalid``, NotFound ``order.not_found``, Conflict ``order.already_answered``, and
    Invalid ``submission.*`` when the answer does not fit the order or its payload is not there.
    """
    if by.identity is None:
        raise Untrusted("silo.unconfirmed", "This silo has no identity key.")
    said: Refusal | SubmissionDocument
    if payload_type_of(document) == Refusal.payload_type:
        said = open_sealed(Refusal, document, [by.identity])
    else:
        said = open_sealed(SubmissionDocument, document, [by.identity])
        if payload is not None:
            _keep_payload(said, payload)
    if isinstance(said, Refusal) and said.job_id is None:
        return Taken(OrderState.REFUSED, take_refusal(said=said, document=document, by=by))
    if isinstance(said, SubmissionDocument) and _submit_to_open_order(said, document, by):
        return Taken(OrderState.SUBMITTED)
    with transaction.atomic():
        order = _known(statements.lock_order(order_id=said.order_id, silo_id=by.id))
        if order.state not in OUTSTANDING and (earlier := _earlier_answer(order)) is not None:
            if earlier != digest_bytes(document):
                raise Conflict("order.already_answered", "This order was answered before, with other bytes.")
            return Taken(OrderState(order.state), order.code)
        _check_fits(order, said, by)
        if order.state not in OUTSTANDING:
            # whoever closed the round took the order's row first: this answer is late, refused before, or called back
            taken = _note_late(order)
        elif isinstance(said, Refusal):
            taken = _refuse(order, said, document, by)
        else:
            raise Transient("order.busy", "Another answer to this order is being taken. Send it again.")
        _dispatch_if_last(order)
    return taken


def _submit_to_open_order(said: SubmissionDocument, document: bytes, by: Silo) -> bool:
    """Take what is answered to an order that is open, as nearly all are, in one statement; False if it is not open."""
    order = _known(statements.find_order(order_id=said.order_id, silo_id=by.id))
    if order.state not in OUTSTANDING:
        return False
    _check_fits(order, said, by)
    digest = digest_bytes(document)
    event = event_of(
        by=by,
        verb="order.submitted",
        subject_kind="job",
        subject_id=order.job_id,
        consortium_id=order.consortium_id,
        job_id=order.job_id,
        detail={"round": order.round_number, EVIDENCE: {"order": str(order.order_id), "answer": digest}},
    )
    taken = statements.submit(order, said, document=document, document_digest=digest, event=event)
    if taken:
        _dispatch_if_last(order)
    return taken


def _known(order: AnsweredOrder | None) -> AnsweredOrder:
    if order is None:
        raise NotFound("order.not_found", "This silo was given no such order.")
    return order


def _dispatch_if_last(order: AnsweredOrder) -> None:
    """Nudge a worker once this answer is committed, if nobody else is left to answer."""

    def look() -> None:
        if not statements.somebody_outstanding(order.step_id):
            dispatch.close_step(order.round_id)

    transaction.on_commit(look, robust=True)


def _earlier_answer(order: AnsweredOrder) -> str | None:
    """The digest of the document with which it was answered, if it was."""
    return Submission.objects.filter(order=order.order_id).values_list("document_digest", flat=True).first()


def _keep_payload(said: SubmissionDocument, payload: bytes) -> None:
    if said.payload is None or said.payload.digest != digest_bytes(payload):
        raise Invalid("blob.digest_mismatch", "The payload is not what the document says; nothing was kept.", "payload")
    store.keep(payload, said.payload.digest)


def _check_fits(order: AnsweredOrder, said: Refusal | SubmissionDocument, by: Silo) -> None:
    if said.silo_id != by.id or said.job_id != order.job_id or said.number != order.number:
        raise Invalid("submission.other_order", "The answer does not fit the order that it names.", "order_id")
    if isinstance(said, Refusal):
        return
    if (said.kind, said.round, said.attempt) != (order.kind, order.round_number, order.attempt):
        raise Invalid("submission.other_order", "The answer does not fit the order that it names.", "round")
    if said.manifest_digest != order.manifest_digest:
        raise Invalid("submission.other_manifest", "The answer is under another manifest.", "manifest_digest")
    if said.model_digest != order.model_digest:
        raise Invalid("submission.other_model", "The answer is about another model.", "model_digest")
    if (said.kind == OrderKind.TRAIN) != (said.payload is not None and said.training is not None):
        raise Invalid("submission.payload", "A train order is answered with an update, no other with one.", "payload")
    if said.kind == OrderKind.EVALUATE and said.evaluation is None:
        raise Invalid("submission.evaluation", "An evaluate order is answered with an evaluation.", "evaluation")
    if said.payload is not None and store.size_bytes(said.payload.digest) != said.payload.size_bytes:
        raise Invalid("submission.payload_missing", "The update was not uploaded, or has another size.", "payload")


def _note_late(order: AnsweredOrder) -> Taken:
    if order.state != OrderState.EXPIRED:
        return Taken(OrderState(order.state), order.code)
    Order.objects.filter(id=order.order_id).update(state=OrderState.LATE, answered_at=timezone.now())
    return Taken(OrderState.LATE, order.code)


def _refuse(order: AnsweredOrder, said: Refusal, document: bytes, by: Silo) -> Taken:
    Order.objects.filter(id=order.order_id).update(
        state=OrderState.REFUSED,
        answered_at=timezone.now(),
        code=said.code,
        message=said.message,
        clause=said.rule or "",
    )
    KeptRefusal.objects.create(order_id=order.order_id, document=document, received_at=timezone.now())
    tell(
        job=_job_of(order),
        verb="order.refused",
        by=by,
        detail={"round": order.round_number, "code": said.code, "reason": said.message, "clause": said.rule or ""},
        evidence={"order": str(order.order_id), "answer": digest_bytes(document)},
    )
    return Taken(OrderState.REFUSED, said.code)


def _job_of(order: AnsweredOrder) -> Job:
    """As much of the job as an event needs."""
    return Job.from_db("default", ("id", "consortium_id"), (order.job_id, order.consortium_id))
