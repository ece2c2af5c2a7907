"""Orders to evaluate a model on this silo's own test rows."""

from __future__ import annotations

from federation.protocol.documents import Manifest, Order, OrderKind
from silo_connector.trainer.kinds import job_orders, model_orders
from silo_connector.trainer.kinds.kind import Incoming, SiloContext
from silo_connector.trainer.kinds.model_orders import ModelWork
from silo_connector.trainer.orders.verification import Task, validate_model_order
from silo_connector.trainer.store.order_store import Outcome


class EvaluateKind:
    """The figures that the agreement lets out, and no file."""

    name = OrderKind.EVALUATE.value
    document = Order
    is_of_job = True
    is_urgent = False
    begins_round = False

    def validate(self, order: Order, incoming: Incoming, silo: SiloContext) -> ModelWork:
        """What is to be evaluated, if that is allowed. Raises Refused."""

        def task_of(manifest: Manifest) -> Task:
            return validate_model_order(order, manifest, incoming.trust, silo.datasets.declarations)

        return job_orders.allow(order, task_of, incoming, silo)

    def execute(self, work: ModelWork, incoming: Incoming, silo: SiloContext) -> Outcome:
        """Evaluate. Raises Refused, Stopped, OSError."""
        return model_orders.carry_out(work, incoming, silo)


KIND = EvaluateKind()
