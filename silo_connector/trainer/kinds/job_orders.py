"""What all orders of a job have in common: its manifest, whether it is allowed, and the journal's line that it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from federation.errors import Invalid
from federation.protocol.documents import Manifest, Order
from silo_connector import spool
from silo_connector.trainer.kinds.kind import Incoming, SiloContext
from silo_connector.trainer.orders.authorization import Permit
from silo_connector.trainer.orders.verification import JobTask, check_open, open_manifest
from silo_connector.trainer.refusals import Refused

T = TypeVar("T", bound=JobTask)


@dataclass(frozen=True)
class JobWork(Generic[T]):
    """An order of a job that was verified and allowed, and how long the data took meanwhile."""

    task: T
    permit: Permit
    data_s: float


def allow(order: Order, task_of: Callable[[Manifest], T], incoming: Incoming, silo: SiloContext) -> JobWork[T]:
    """Check an order, what came with it, and whether it is allowed; the journal has it then. Raises Refused.

    `task_of` says what the manifest makes of the order, and raises Refused where the two don't fit.
    """
    try:
        sealed = incoming.folder.read(spool.MANIFEST, spool.DOCUMENT_BYTES_MAX)
    except Invalid as error:
        raise Refused("manifest.missing", error.message) from error
    check_open(order, silo.clock.now())
    task = task_of(open_manifest(order, sealed, incoming.trust))
    silo.clock.saw(order.issued_at)
    data_s = 0.0

    def rows_total() -> int:
        nonlocal data_s
        started = time.perf_counter()
        rows = silo.datasets.rows(task.member.dataset)
        data_s = time.perf_counter() - started
        return rows.rows_total

    permit = silo.authorizer.authorize(task, sealed, incoming.folder, incoming.trust, rows_total)
    silo.journal.add(
        "order.allowed",
        durable=False,  # the line about the answer is, and this one with it
        order_id=str(order.order_id),
        order=incoming.head.digest,
        silo_id=str(order.silo_id),
        number=order.number,
        issued_at=order.issued_at.isoformat(),
        job_id=str(order.job_id),
        kind=order.kind,
        round=order.round,
        attempt=order.attempt,
        model=order.model_digest or "",  # as it is kept
        manifest=order.manifest_digest,
        agreement=task.manifest.agreement_digest,
    )
    return JobWork(task, permit, data_s)
