"""Answers that say more than their silos may: rejected as they come, with nothing kept but their digests.

A figure that was not agreed, or is of too few rows, is then nowhere: in no table, page or bundle. The audit log has the
answer's digest, and that it was rejected unread: evidence is not missing a document that nobody may have.
"""

from __future__ import annotations

from django.utils import timezone

from audit.reasons import Reason
from federation.protocol.digests import digest_bytes
from silos.models import Silo
from training.engine.sql.answered import AnsweredOrder
from training.models import Order
from training.states import record_job_event
from training.transitions import OrderState


def reject(*, order: AnsweredOrder, fault: tuple[str, str], document: bytes, by: Silo) -> str:
    """Reject the answer to a (locked) order that is open; the code. `fault` is one of ``answer_bounds.faults_of``."""
    code, message = fault
    why = Reason.said(code, message)
    now = timezone.now()
    Order.objects.filter(id=order.order_id).move(
        OrderState.REJECTED, code=code, params=why.params, message=why.text, answered_at=now, ended_at=now
    )
    job, named = order.job, {"order": str(order.order_id), "answer": digest_bytes(document)}
    record_job_event(job=job, verb="order.submitted", by=by, detail=order.in_round, evidence=named)
    record_job_event(
        job=job,
        verb="update.rejected",
        by=by,
        detail={**order.in_round, "order": str(order.order_id), **why.detail},
        evidence={**named, "kept": False},
    )
    return code
