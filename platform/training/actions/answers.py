"""What silos do with orders: take them, answer them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from artefacts import store
from federation.errors import Invalid, Untrusted
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import OrderKind, Refusal, open_sealed
from federation.protocol.documents import Submission as SubmissionDocument
from federation.protocol.envelope import payload_type_of
from rest.errors import Conflict, NotFound
from silos.models import Silo
from training import dispatch
from training.actions.states import tell
from training.models import Evaluation, Order, Round, Submission
from training.transitions import OUTSTANDING, OrderState


def note_held(*, held: Sequence[UUID], by: Silo) -> None:
    """The silo's relay has these orders on its disk: they need not be given again."""
    Order.objects.filter(id__in=held, silo=by, state__in=(OrderState.ISSUED, OrderState.DELIVERED)).update(
        state=OrderState.ACCEPTED, delivered_at=Coalesce("delivered_at", Now())
    )


def deliver(*, orders: Sequence[UUID], by: Silo) -> None:
    """These orders are being handed to the silo's relay."""
    Order.objects.filter(id__in=orders, silo=by, state=OrderState.ISSUED).update(
        state=OrderState.DELIVERED, delivered_at=timezone.now()
    )


def answer(*, document: bytes, by: Silo, payload: bytes | None = None) -> Order:
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
    with transaction.atomic():
        order = (
            Order.objects.select_for_update(of=("self",))
            .select_related("submission", "step__round__job", "step__round__base_version")
            .filter(id=said.order_id, silo=by)
            .order_by("pk")  # the model's own order would join all that is above it
            .first()
        )
        if order is None:
            raise NotFound("order.not_found", "This silo was given no such order.")
        earlier: Submission | None = getattr(order, "submission", None)
        if earlier is not None:
            if earlier.document_digest != digest_bytes(document):
                raise Conflict("order.already_answered", "This order was answered before, with other bytes.")
            return order
        round_ = order.step.round
        _check_fits(order, round_, said, by)
        if order.state not in OUTSTANDING:
            # whoever closed the round took the order's row first: this answer is late, refused before, or called back
            if order.state == OrderState.EXPIRED:
                _settle(order, OrderState.LATE)
        elif isinstance(said, Refusal):
            _refuse(order, round_, said, by)
        else:
            _submit(order, round_, said, document, by)
        __dispatch_if_last(order)
    return order


def __dispatch_if_last(order: Order) -> None:
    """Nudge a worker once this answer is committed, if nobody else is left to answer."""

    def look() -> None:
        if not Order.objects.filter(step_id=order.step_id, state__in=OUTSTANDING).exists():
            dispatch.close_step(order.step.round_id)

    transaction.on_commit(look, robust=True)


def _keep_payload(said: SubmissionDocument, payload: bytes) -> None:
    if said.payload is None or said.payload.digest != digest_bytes(payload):
        raise Invalid("blob.digest_mismatch", "The payload is not what the document says; nothing was kept.", "payload")
    store.keep(payload, said.payload.digest)


def _check_fits(order: Order, round_: Round, said: Refusal | SubmissionDocument, by: Silo) -> None:
    job = round_.job
    if said.silo_id != by.id or said.job_id != job.id or said.number != order.number:
        raise Invalid("submission.other_order", "The answer does not fit the order that it names.", "order_id")
    if isinstance(said, Refusal):
        return
    if (said.kind, said.round, said.attempt) != (order.kind, round_.number, round_.attempt):
        raise Invalid("submission.other_order", "The answer does not fit the order that it names.", "round")
    if said.manifest_digest != job.manifest_digest:
        raise Invalid("submission.other_manifest", "The answer is under another manifest.", "manifest_digest")
    if said.model_digest != round_.base_version.digest:
        raise Invalid("submission.other_model", "The answer is about another model.", "model_digest")
    if (said.kind == OrderKind.TRAIN) != (said.payload is not None and said.training is not None):
        raise Invalid("submission.payload", "A train order is answered with an update, no other with one.", "payload")
    if said.kind == OrderKind.EVALUATE and said.evaluation is None:
        raise Invalid("submission.evaluation", "An evaluate order is answered with an evaluation.", "evaluation")
    if said.payload is not None and store.size_bytes(said.payload.digest) != said.payload.size_bytes:
        raise Invalid("submission.payload_missing", "The update was not uploaded, or has another size.", "payload")


def _refuse(order: Order, round_: Round, said: Refusal, by: Silo) -> None:
    order.code, order.message = said.code, said.message
    _settle(order, OrderState.REFUSED, "code", "message")
    tell(
        job=round_.job,
        verb="order.refused",
        by=by,
        detail={"round": round_.number, "code": said.code, "reason": said.message},
    )


def _submit(order: Order, round_: Round, said: SubmissionDocument, document: bytes, by: Silo) -> None:
    Submission.objects.create(
        order=order,
        document=document,
        document_digest=digest_bytes(document),
        payload_digest=said.payload.digest if said.payload else "",
        payload_size_bytes=said.payload.size_bytes if said.payload else 0,
        rows=said.training.rows if said.training else 0,
        steps=said.training.steps if said.training else 0,
        train_loss=said.training.loss if said.training else None,
        update_norm_l2=said.training.update_norm_l2 if said.training else None,
        phases_s=said.phases_s,
        connector_version=said.environment.connector_version,
        received_at=timezone.now(),
    )
    if said.evaluation is not None:
        report = said.evaluation
        Evaluation.objects.create(
            order=order,
            version_id=round_.base_version_id,
            silo=by,
            rows=report.rows,
            loss=report.loss,
            accuracy=report.accuracy,
            auc=report.auc,
            confusion=[list(row) for row in report.confusion.counts] if report.confusion else None,
            suppressed=report.suppressed,
        )
    _settle(order, OrderState.SUBMITTED)
    tell(job=round_.job, verb="order.submitted", by=by, detail={"round": round_.number})


def _settle(order: Order, state: OrderState, *fields: str) -> None:
    order.answered_at, order.state = timezone.now(), state
    order.save(update_fields=["state", "answered_at", *fields])
