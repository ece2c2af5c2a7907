"""Orders to evaluate a model on this silo's own test rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.documents import MODEL, Manifest, Order, OrderKind
from silo_connector.trainer.kinds import job_orders, model_orders
from silo_connector.trainer.kinds.kind import Incoming, SiloContext
from silo_connector.trainer.kinds.model_orders import ModelWork
from silo_connector.trainer.orders.verification import Task, Trust, check_artefacts, validate_model_order
from silo_connector.trainer.store.order_store import Outcome


class EvaluateKind:
    """The figures that the agreement lets out, and no file."""

    name = OrderKind.EVALUATE.value
    document = Order
    is_of_job = True
    is_urgent = False
    begins_round = False
    parameters: frozenset[str] = frozenset()

    def payload_kinds(self) -> Collection[str]:
        """None: figures stand in the answer itself."""
        return ()

    def validate(self, order: Order, incoming: Incoming, silo: SiloContext) -> ModelWork:
        """What is to be evaluated, if that is allowed. Raises Refused."""

        def task_of(manifest: Manifest) -> Task:
            return validate_evaluate_order(order, manifest, incoming.trust, silo.datasets.declarations)

        return job_orders.allow(order, task_of, incoming, silo)

    def execute(self, work: ModelWork, incoming: Incoming, silo: SiloContext) -> Outcome:
        """Evaluate. Raises Refused, Stopped, OSError."""
        return model_orders.carry_out(work, incoming, silo)


def validate_evaluate_order(
    order: Order, manifest: Manifest, trust: Trust, datasets: Mapping[str, DatasetDeclaration]
) -> Task:
    """What must hold of an order to evaluate, beside what does of every order about a model. Raises Refused."""
    task = validate_model_order(order, manifest, trust, datasets)
    check_artefacts(order, inputs=[MODEL], outputs={})
    return task


KIND = EvaluateKind()
