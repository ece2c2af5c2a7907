"""Orders to train: the incoming model is evaluated on the own test rows, then trained; the update leaves as a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from federation.errors import FederationError, Stopped, Transient
from federation.learning.specification import parse_local, round_seed
from federation.protection import mode_of
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.documents import MODEL, UPDATE, Manifest, Order, OrderKind, Payload, TrainingReport
from silo_connector.trainer.data import Prepared
from silo_connector.trainer.egress.filter import Bounds
from silo_connector.trainer.kinds import job_orders, model_orders
from silo_connector.trainer.kinds.kind import Incoming, SiloContext
from silo_connector.trainer.kinds.model_orders import ModelWork
from silo_connector.trainer.orders.verification import Task, Trust, check_artefacts, validate_model_order
from silo_connector.trainer.protection import PROTECTIONS, protection_of
from silo_connector.trainer.protection.base import TrainedUpdate
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.order_store import Outcome

if TYPE_CHECKING:
    from federation.learning.backend import Begin


class TrainKind:
    """One silo's part of a round."""

    name = OrderKind.TRAIN.value
    document = Order
    is_of_job = True
    is_urgent = False
    begins_round = True
    parameters: frozenset[str] = frozenset()

    def payload_kinds(self) -> Collection[str]:
        """The update, as any of the modes lets it out."""
        return {mode_of(name).update_kind for name in PROTECTIONS}

    def validate(self, order: Order, incoming: Incoming, silo: SiloContext) -> ModelWork:
        """What is to be trained, if that is allowed. Raises Refused."""

        def task_of(manifest: Manifest) -> Task:
            return validate_train_order(order, manifest, incoming.trust, silo.datasets.declarations)

        return job_orders.allow(order, task_of, incoming, silo)

    def execute(self, work: ModelWork, incoming: Incoming, silo: SiloContext) -> Outcome:
        """Evaluate and train. Raises Refused, Stopped, OSError."""
        return model_orders.carry_out(work, incoming, silo, train_model)


def validate_train_order(
    order: Order, manifest: Manifest, trust: Trust, datasets: Mapping[str, DatasetDeclaration]
) -> Task:
    """What must hold of an order to train, beside what does of every order about a model. Raises Refused."""
    if manifest.task != "train":
        raise Refused("order.task_mismatch", f"A {manifest.task} job sent a train order.")
    task = validate_model_order(order, manifest, trust, datasets)
    try:
        local = parse_local(manifest.local or {})
    except FederationError as error:
        raise Refused(error.code, error.message, error.field) from error
    if UPDATE not in order.outputs:
        raise Refused("order.upload_missing", "The order has no upload grant.")
    if manifest.protection.mode in PROTECTIONS:  # else it is refused for that, once the agreement was asked
        kind = mode_of(manifest.protection.mode).update_kind
        check_artefacts(order, inputs=[MODEL], outputs={UPDATE: kind})
    return replace(task, local=local)


def train_model(
    task: Task, begin: Begin, model: Path, rows: Prepared, update: Path, bounds: Bounds, should_stop: Callable[[], bool]
) -> tuple[TrainingReport, Payload, dict[str, float]]:
    """Train, and leave the update in the file; with how many seconds each phase took. Raises Refused, Stopped."""
    from federation.learning.train import train

    manifest = task.manifest
    assert task.local is not None, "a verified train order has its local training"
    seed = round_seed(manifest.seed, str(task.order.silo_id), task.order.round)
    try:
        done = train(model, manifest.layout, begin, rows.train, task.local, seed, update, should_stop)
    except (Refused, Stopped, Transient):
        raise
    except FederationError as error:
        raise Refused(error.code, error.message) from error
    if done.update_norm_l2 > manifest.limits.update_norm_l2_max:
        raise Refused("update.norm_exceeded", f"The update has norm {done.update_norm_l2:.6g}.")
    target, rows_disclosed = rows.train.target, bounds.rows.weight(done.rows)
    report = TrainingReport(
        rows=rows_disclosed,
        steps=done.steps,
        loss=target.training_loss_disclosed(done.train_loss, rows_disclosed, bounds.minimum_cell)
        if target.loss_figure in bounds.metrics
        else None,
        update_norm_l2=done.update_norm_l2,
    )
    trained = TrainedUpdate(update, done.update_digest, done.update_size_bytes)
    return report, protection_of(manifest).protect(trained, task.order, manifest), done.phases_s


KIND = TrainKind()
