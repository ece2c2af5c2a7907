"""What silos answer to orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from artefacts import store
from audit.models import EVIDENCE
from audit.statements import event_of
from federation.agreements.answer_bounds import faults_of
from federation.errors import Invalid, Transient, Untrusted
from federation.protection import mode_of
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Payload, Refusal, UploadGrant
from federation.protocol.documents import Submission as SubmissionDocument
from federation.protocol.envelope import payload_type_of
from rest.errors import Conflict, NotFound
from silos.models import Silo
from training import dispatch
from training.engine import stepless
from training.engine.kinds import answered_with, job_kind, statement_kind
from training.engine.kinds.base import StatementKind
from training.engine.opening_answers import open_answer
from training.engine.rejections import reject
from training.engine.restored import raise_numbers
from training.engine.sql import answered, waiting
from training.engine.sql import orders as statements
from training.engine.sql.answered import AnsweredOrder
from training.models import Order, RefusalDocument, Submission
from training.states import record_job_event
from training.transitions import OUTSTANDING, OrderState
from training.waiting import Wait

_REFUSED_TOO_LATE = (OrderState.EXPIRED, OrderState.LATE, OrderState.CANCELLED)
"""Orders that nobody has answered: of others the log has another answer already."""


@dataclass(frozen=True)
class AnswerResult:
    """What has become of an order by its answer."""

    state: OrderState
    code: str = ""


def answer(*, document: bytes, by: Silo, payloads: Mapping[str, bytes] | None = None) -> AnswerResult:
    """Take a silo's signed answer to an order. The same bytes again change nothing; another answer is a conflict.

    Small payloads may come along, by name; larger ones were uploaded before, by the grants of this very order. Nothing
    is kept before the order was found open and the answer fits it. An answer that says more than its silo may is
    rejected, and nothing of it is kept (``rejections``).
    Raises Untrusted ``signature.invalid``, NotFound ``order.not_found``, Conflict ``order.already_answered``, and
    Invalid ``submission.*`` when the answer does not fit the order or what it brings is not there;
    ``protocol.outdated`` for what is of protocol 1.0.
    """
    if by.identity is None:
        raise Untrusted("silo.unconfirmed", "This silo has no identity key.")
    payload_type = payload_type_of(document)
    if (statement := answered_with(payload_type)) is not None:
        return AnswerResult(statement.accept(document, by))
    stated = open_answer(document, by.identity)
    if isinstance(stated, Refusal) and stated.highest_number is not None and stated.silo_id == by.id:
        raise_numbers(highest=stated.highest_number, by=by)  # before anything is numbered again
    if isinstance(stated, Refusal) and (kind := _statement_kind(stated, by)) is not None:
        return AnswerResult(OrderState.REFUSED, kind.refuse(stated, document, by))
    if isinstance(stated, SubmissionDocument) and _submit_to_open_order(stated, document, payloads or {}, by):
        return AnswerResult(OrderState.SUBMITTED)
    with transaction.atomic():
        order = _lock_order(stated.order_id, by)
        if order.state not in OUTSTANDING and (earlier := _earlier_answer(order)) is not None:
            if earlier != digest_bytes(document):
                raise Conflict("order.already_answered", "This order was answered before, with other bytes.")
            return AnswerResult(OrderState(order.state), order.code)
        _check_fits(order, stated, by)
        if order.state not in OUTSTANDING:
            # the round's closing took the order's row first: this answer is late, refused before, or recalled
            taken = _note_late(order, stated, document)
        elif isinstance(stated, Refusal):
            taken = _refuse(order, stated, document, by)
        elif (fault := next(faults_of(stated, order.bounds), None)) is not None:
            taken = AnswerResult(OrderState.REJECTED, reject(order=order, fault=fault, document=document, by=by))
            stepless.settle(order, OrderState.REJECTED, by)
        else:
            raise Transient("order.busy", "Another answer to this order is being taken. Send it again.")
        _dispatch_if_due(order)
    return taken


def _submit_to_open_order(
    statement: SubmissionDocument, document: bytes, payloads: Mapping[str, bytes], by: Silo
) -> bool:
    """Take what is answered to an order that is open, as nearly all are, in one statement.

    False, and nothing kept, if it is not open, or the answer says more than it may.
    """
    order = _known(answered.find_order(order_id=statement.order_id, silo_id=by.id))
    if order.state not in OUTSTANDING:
        return False
    _check_fits(order, statement, by)
    if any(faults_of(statement, order.bounds)):
        return False
    marks = _take_payloads(order, statement, payloads)
    digest = digest_bytes(document)
    event = event_of(
        by=by,
        verb="order.submitted",
        subject_kind="job",
        subject_id=order.job_id,
        consortium_id=order.consortium_id,
        job_id=order.job_id,
        detail={**order.in_round, EVIDENCE: {"order": str(order.order_id), "answer": digest}},
    )
    if order.step_id is None:
        with transaction.atomic():
            stepless.lock_job(order.job_id)
            taken = statements.submit(order, statement, document=document, document_digest=digest, event=event)
            if taken:
                stepless.count(order, by)
    else:
        taken = statements.submit(order, statement, document=document, document_digest=digest, event=event)
    store.release(*marks)
    if taken:
        _dispatch_if_due(order)
    return taken


def _statement_kind(statement: Refusal, by: Silo) -> StatementKind | None:
    """The kind of the refused order, where that belongs to no job."""
    kind = Order.objects.filter(id=statement.order_id, silo=by, job=None).values_list("kind", flat=True).first()
    return None if kind is None else statement_kind(kind)


def _known(order: AnsweredOrder | None) -> AnsweredOrder:
    if order is None:
        raise NotFound("order.not_found", "This silo was given no such order.")
    return order


def _lock_order(order_id: UUID, by: Silo) -> AnsweredOrder:
    """The order as it is now; where it belongs to no step, its job is locked too."""
    if (found := _known(answered.find_order(order_id=order_id, silo_id=by.id))).step_id is None:
        stepless.lock_job(found.job_id)
    return _known(answered.lock_order(order_id=order_id, silo_id=by.id))


def _dispatch_if_due(order: AnsweredOrder) -> None:
    """Nudge a worker once this answer is committed: at once if the round is due by it, else for when it will be."""
    if (step_id := order.step_id) is None:
        return

    def look() -> None:
        if order.wait != Wait.ALL:
            due_in_s = waiting.due_in_s(step_id)
        else:
            due_in_s = None if statements.somebody_outstanding(step_id) else 0.0
        if due_in_s is not None:
            dispatch.close_step(step_id, in_s=due_in_s)

    transaction.on_commit(look, robust=True)


def _earlier_answer(order: AnsweredOrder) -> str | None:
    """The digest of the document with which it was answered, if it was."""
    return Submission.objects.filter(order=order.order_id).values_list("document_digest", flat=True).first()


def _take_payloads(
    order: AnsweredOrder, statement: SubmissionDocument, inline: Mapping[str, bytes]
) -> list[Path | None]:
    """An answer names what came with it, or was uploaded by its own order's grants: nothing else in the store.

    The marks of what was put now (`artefacts.store`).
    """
    if not inline.keys() <= statement.payloads.keys():
        raise Invalid("submission.payload", "A payload came that the document does not name.", "payloads")
    for name, named in statement.payloads.items():
        digest, is_whole = order.uploads.get(name, (None, False))
        if (data := inline.get(name)) is not None:
            _check_inline(named, data, order.document.outputs[name])
            if digest not in {None, named.digest}:
                raise Conflict("upload.other_artefact", "Another artefact was uploaded by this grant. It takes one.")
        elif not is_whole or digest != named.digest or store.size_bytes(named.digest) != named.size_bytes:
            raise Invalid("submission.payload_missing", f"{name} was not uploaded, or has another size.", "payloads")
    return [store.put_bytes(data, statement.payloads[name].digest) for name, data in inline.items()]


def _check_inline(named: Payload, data: bytes, grant: UploadGrant) -> None:
    """What was uploaded is bounded by its address; this is not."""
    if len(data) > grant.size_bytes_max:
        raise Invalid("submission.payload", f"At most {grant.size_bytes_max} bytes were granted.", "payloads")
    if (named.digest, named.size_bytes) != (digest_bytes(data), len(data)):
        raise Invalid(
            "blob.digest_mismatch", "The payload is not what the document says; nothing was kept.", "payloads"
        )


def _check_fits(order: AnsweredOrder, statement: Refusal | SubmissionDocument, by: Silo) -> None:
    if statement.silo_id != by.id or statement.job_id != order.job_id or statement.number != order.number:
        raise Invalid("submission.other_order", "The answer does not fit the order that it names.", "order_id")
    if isinstance(statement, Refusal):
        return
    if (statement.kind, statement.round, statement.attempt) != (order.kind, order.round_number, order.attempt):
        raise Invalid("submission.other_order", "The answer does not fit the order that it names.", "round")
    if statement.manifest_digest != order.manifest_digest:
        raise Invalid("submission.other_manifest", "The answer is under another manifest.", "manifest_digest")
    if statement.model_digest != order.document.model_digest:
        raise Invalid("submission.other_model", "The answer is about another model.", "model_digest")
    _check_brings(order, statement)
    job_kind(order.kind).accept(order, statement)
    if order.version_id is None and (statement.training is not None or statement.evaluation is not None):
        raise Invalid("submission.payload", "An order that brings no model is answered with no figure of one.")


def _check_brings(order: AnsweredOrder, statement: SubmissionDocument) -> None:
    """An answer brings just what its order asks for, of the kinds that were granted and the protection allows."""
    granted, brought = order.document.outputs, statement.payloads
    if brought.keys() != granted.keys():
        wanted = ", ".join(granted) or "nothing"
        raise Invalid("submission.payload", f"The order asks for {wanted} beside the answer itself.", "payloads")
    for name, payload in brought.items():
        allowed = mode_of(order.protection).payload_kinds
        if payload.kind != granted[name].kind or payload.kind not in allowed:
            raise Invalid("submission.payload_kind", f"{name} is of another kind than was granted.", "payloads")


def _note_late(order: AnsweredOrder, statement: Refusal | SubmissionDocument, document: bytes) -> AnswerResult:
    """An answer to an order that is over. A late update is of no use; why a silo refused is kept all the same."""
    if isinstance(statement, Refusal) and order.state in _REFUSED_TOO_LATE:
        RefusalDocument.objects.get_or_create(
            order_id=order.order_id, defaults={"document": document, "received_at": timezone.now()}
        )
    if order.state != OrderState.EXPIRED:
        return AnswerResult(OrderState(order.state), order.code)
    Order.objects.filter(id=order.order_id).move(OrderState.LATE, answered_at=timezone.now())
    return AnswerResult(OrderState.LATE, order.code)


def _refuse(order: AnsweredOrder, statement: Refusal, document: bytes, by: Silo) -> AnswerResult:
    Order.objects.filter(id=order.order_id).move(
        OrderState.REFUSED,
        answered_at=timezone.now(),
        code=statement.code,
        message=statement.message,
        clause=statement.rule or "",
    )
    RefusalDocument.objects.create(order_id=order.order_id, document=document, received_at=timezone.now())
    record_job_event(
        job=order.job,
        verb="order.refused",
        by=by,
        detail={**order.in_round, "code": statement.code, "reason": statement.message, "clause": statement.rule or ""},
        evidence={"order": str(order.order_id), "answer": digest_bytes(document)},
    )
    stepless.settle(order, OrderState.REFUSED, by)
    return AnswerResult(OrderState.REFUSED, statement.code)
