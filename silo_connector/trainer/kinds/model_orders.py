"""What orders to train and to evaluate have in common: the model's copy, the work on it, the signature."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from federation.agreements.shares import limits_of
from federation.errors import FederationError
from federation.plans.declaration import Plan
from federation.protocol.documents import MODEL, UPDATE, Submission
from silo_connector import spool
from silo_connector.logs import Log
from silo_connector.trainer.egress.filter import Bounds, sign_if_allowed
from silo_connector.trainer.kinds.execution import TrainModel, execute_order, local_backend_factory
from silo_connector.trainer.kinds.job_orders import JobWork
from silo_connector.trainer.kinds.kind import Incoming, SiloContext
from silo_connector.trainer.orders.inbox import cancellation, copy_input
from silo_connector.trainer.orders.verification import Task
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.sandbox.plans import run_plan_in_sandbox
from silo_connector.trainer.store.order_store import Outcome, SentPayload
from silo_connector.trainer.store.outbox import work_room

if TYPE_CHECKING:
    from federation.learning.backend import Begin

LOG = Log("trainer")


ModelWork = JobWork[Task]
"""An order about a job's model that was verified and allowed."""


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
        copy_input(incoming.folder, MODEL, task.order.inputs[MODEL], model, silo.config.limits.model_bytes_max)
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
        submission = do(local_backend_factory(task)) if plan is None else _in_sandbox(task, plan, silo, cancelled, do)
    return sign(submission, bounds, silo)


def bounds_of(work: ModelWork) -> Bounds:
    """What the answer to an order that was allowed is held to."""
    task, permit = work.task, work.permit
    return Bounds.of(task.manifest, task.order, permit.minimum_cell, permit.metrics, limits_of(task.member))


def sign(submission: Submission, bounds: Bounds, silo: SiloContext) -> Outcome:
    """The answer, signed, if it and the files that it names may leave; they are where the outbox has them.

    Raises Refused ``egress.not_allowed``.
    """
    order_id = str(submission.order_id)
    files = {name: silo.outbox.payload(order_id, name) for name in submission.payloads}
    try:
        answer = sign_if_allowed(submission, silo.key, bounds, files)
    except FederationError as error:
        raise Refused("egress.not_allowed", str(error)) from error
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
        by_name = {"order_id": str(task.order.order_id), "code": plan.digest, "measures": measures}
        LOG.info("code.run", **by_name)
        silo.journal.add("code.run", durable=False, **by_name)

    return run_plan_in_sandbox(plan, silo.config.runner, cancelled, began, do, silo.urgent_lane.working_s)
