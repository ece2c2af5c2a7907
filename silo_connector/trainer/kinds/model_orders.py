"""What orders to train and to evaluate have in common: manifest, permission, the model's copy, signature."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation.agreements.shares import limits_of
from federation.errors import FederationError, Invalid
from federation.plans.declaration import Plan
from federation.protocol.documents import MODEL, UPDATE, Manifest, Order, Submission
from silo_connector import spool
from silo_connector.logs import Log
from silo_connector.trainer.egress.filter import Bounds, sign_if_allowed
from silo_connector.trainer.kinds.execution import TrainModel, execute_order, of_family
from silo_connector.trainer.kinds.kind import Incoming, SiloContext
from silo_connector.trainer.orders.authorization import Permit
from silo_connector.trainer.orders.inbox import cancellation, take_input
from silo_connector.trainer.orders.verification import Task, check_open, open_manifest
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.sandbox.plans import run_plan_in_sandbox
from silo_connector.trainer.store.order_store import Outcome, SentPayload
from silo_connector.trainer.store.outbox import work_room

if TYPE_CHECKING:
    from federation.learning.backend import Begin

LOG = Log("trainer")


@dataclass(frozen=True)
class ModelWork:
    """An order about a job's model that was verified and allowed, and how long the data took meanwhile."""

    task: Task
    permit: Permit
    data_s: float


def allow(order: Order, task_of: Callable[[Manifest], Task], incoming: Incoming, silo: SiloContext) -> ModelWork:
    """Judge an order, what came with it, and whether it is allowed; the journal has it then. Raises Refused.

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
        kind=order.kind.value,
        round=order.round,
        attempt=order.attempt,
        model=order.model_digest,
        manifest=order.manifest_digest,
        agreement=task.manifest.agreement_digest,
    )
    return ModelWork(task, permit, data_s)


def carry_out(work: ModelWork, incoming: Incoming, silo: SiloContext, train: TrainModel | None = None) -> Outcome:
    """Copy the model to where nobody else writes, evaluate it, train it where that is asked, and sign what came of it.

    Urgent orders are served between two batches. Raises Refused, Stopped, OSError.
    """
    task, permit = work.task, work.permit
    cancelled = cancellation(incoming.folder)

    def should_stop() -> bool:
        silo.urgent_lane.serve_between_batches()
        return cancelled()

    with work_room(silo.config.trainer_state, incoming.name) as room:
        model = room / spool.input_file(MODEL)
        take_input(incoming.folder, MODEL, task.order.inputs[MODEL], model, silo.config.limits.model_bytes_max)
        verify_s = time.perf_counter() - incoming.started_s - work.data_s
        rows = silo.datasets.rows(task.member.dataset)
        update = silo.outbox.payload(incoming.name, UPDATE)
        bounds = bounds_of(work)
        phases_s = {"verify": verify_s, "data": work.data_s}

        def do(begin: Begin) -> Submission:
            return execute_order(
                task, begin, model, rows, update, bounds, silo.environment, phases_s, should_stop, train
            )

        plan = permit.plan
        submission = do(of_family(task)) if plan is None else _in_sandbox(task, plan, silo, cancelled, do)
    return sign(submission, bounds, silo)


def bounds_of(work: ModelWork) -> Bounds:
    """What the answer to an order that was allowed is held to."""
    task, permit = work.task, work.permit
    return Bounds.of(task.manifest, task.order, permit.minimum_cell, permit.metrics, limits_of(task.member))


def sign(submission: Submission, bounds: Bounds, silo: SiloContext) -> Outcome:
    """The answer, signed, if it and the files that it names may leave; they are where the outbox has them.

    Raises Refused ``leaving.not_allowed``.
    """
    order_id = str(submission.order_id)
    files = {name: silo.outbox.payload(order_id, name) for name in submission.payloads}
    try:
        answer = sign_if_allowed(submission, silo.key, bounds, files)
    except FederationError as error:
        raise Refused("leaving.not_allowed", str(error)) from error
    silo.outbox.sync()
    return Outcome(
        order_id,
        answer,
        tuple(SentPayload(name, payload.digest, payload.size_bytes) for name, payload in submission.payloads.items()),
    )


def _in_sandbox(
    task: Task, plan: Plan, silo: SiloContext, cancelled: Callable[[], bool], do: Callable[[Begin], Submission]
) -> Submission:
    assert silo.config.runner is not None, "without one, orders with a plan are refused"

    def began(measures: list[str]) -> None:
        told = {"order_id": str(task.order.order_id), "code": plan.digest, "measures": measures}
        LOG.info("code.run", **told)
        silo.journal.add("code.run", durable=False, **told)

    return run_plan_in_sandbox(plan, silo.config.runner, cancelled, began, do, silo.urgent_lane.working_s)
