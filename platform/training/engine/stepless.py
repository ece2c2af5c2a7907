"""Orders of a job that belong to no step of a round: issued, counted, called back, expired.

Each ends by itself, and nobody waits for the others: its kind is reported what became of it
(`kinds.base.SteplessKind`). The kind may change the job by that: its row is locked before that of the order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from audit.actors import Actor
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from realtime import notices
from training.engine import issuing
from training.engine.deadlines import StepDeadlines
from training.engine.kinds import stepless_kind
from training.engine.sql.answered import AnsweredOrder
from training.engine.sql.orders import next_order_numbers
from training.engine.sql.steps import Applied, mark_applied
from training.models import Job, Order
from training.states import record_job_event
from training.transitions import OUTSTANDING, OrderState


def issue(
    *, job: Job, kind: str, silo_ids: Sequence[UUID], issued_at: datetime, expires_at: datetime, by: Actor
) -> list[UUID]:
    """A signed order of this kind for each of these silos; their ids. Part of the caller's transaction.

    The caller has locked the job, which has a manifest.
    """
    key, of_kind = issuing.signing_key(), stepless_kind(kind)
    numbers = next_order_numbers(silo_ids)
    orders = []
    for silo_id in silo_ids:
        order_id = uuid4()
        document = documents.Order(
            order_id=order_id,
            number=numbers[silo_id],
            kind=kind,
            silo_id=silo_id,
            job_id=job.id,
            manifest_digest=job.manifest_digest,
            round=0,
            attempt=1,
            issued_at=issued_at,
            expires_at=expires_at,
            **of_kind.issue(job, order_id, StepDeadlines(issued_at, expires_at)),
        )
        orders.append(
            Order(
                id=order_id,
                job=job,
                silo_id=silo_id,
                kind=kind,
                number=document.number,
                envelope=documents.sign_document(document, key),
                inputs_size_bytes=sum(brought.size_bytes for brought in document.inputs.values()),
                issued_at=issued_at,
                expires_at=expires_at,
            )
        )
    Order.objects.bulk_create(orders)
    record_job_event(
        job=job,
        verb="order.issued",
        by=by,
        detail={"silos": len(orders)},
        evidence={
            "kind": kind,
            "orders": {str(order.id): digest_bytes(bytes(order.envelope)) for order in orders},
        },
    )
    notices.notify(notices.ORDERS, list(silo_ids))
    return [order.id for order in orders]


def lock_job(job_id: UUID) -> None:
    """Lock the job of an order before the order itself: the parent first, as everywhere."""
    Job.objects.select_for_update().values_list("id").get(id=job_id)


def count(order: AnsweredOrder, by: Actor) -> None:
    """An order was answered, and its answer counts: nobody waits for others. Part of the answer's transaction."""
    mark_applied([Applied(order.order_id)])
    settle(order, OrderState.APPLIED, by)


def settle(order: AnsweredOrder, state: OrderState, by: Actor) -> None:
    """Report its kind what became of a (locked) order, if it belongs to no step."""
    if order.step_id is None:
        stepless_kind(order.kind).settle([order.order_id], state, by)


def call_back(*, job: Job, by: Actor, code: str) -> int:
    """Cancel the open ones of a (locked) job. How many there were."""
    return _end(Q(job=job), OrderState.CANCELLED, code, by)


def expire(*, by: Actor) -> int:
    """End those that nobody has answered in their time, by the database's clock. How many there were."""
    late = Order.objects.filter(job__isnull=False, step=None, state__in=OUTSTANDING, expires_at__lte=Now())
    return sum(_expire(job_id, by) for job_id in late.order_by("job_id").values_list("job_id", flat=True).distinct())


@transaction.atomic
def _expire(job_id: UUID, by: Actor) -> int:
    # if somebody has the job in hand, they end next time
    if not Job.objects.select_for_update(skip_locked=True).filter(id=job_id).values_list("id"):
        return 0
    return _end(Q(job=job_id, expires_at__lte=Now()), OrderState.EXPIRED, "order.deadline", by)


def _end(which: Q, state: OrderState, code: str, by: Actor) -> int:
    # a relay's poll notes several orders at once, in whatever order: a sweep does not wait for it
    is_sweep = state == OrderState.EXPIRED
    found = Order.objects.select_for_update(skip_locked=is_sweep).filter(which, step=None, state__in=OUTSTANDING)
    rows = list(found.order_by("pk").values_list("id", "kind", "silo_id"))
    by_kind: dict[str, list[UUID]] = defaultdict(list)
    for order_id, kind, _silo in rows:
        by_kind[kind].append(order_id)
    for kind, order_ids in by_kind.items():
        Order.objects.filter(id__in=order_ids).move(state, code=code, ended_at=Now())
        stepless_kind(kind).settle(order_ids, state, by)
    notices.notify(notices.ORDERS, [silo_id for _id, _kind, silo_id in rows])
    return len(rows)
