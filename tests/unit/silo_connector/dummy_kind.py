"""A kind of order that no connector has, written as a real one would be: what a test adds with no change elsewhere."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from federation.protocol.documents import SiloState, now
from federation.protocol.documents.orders import OrderBase
from silo_connector.trainer.egress.filter import sign_if_allowed
from silo_connector.trainer.kinds.kind import Incoming, SiloContext
from silo_connector.trainer.orders.verification import check_open
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.order_store import Outcome


class StateOrder(OrderBase):
    """To say what this silo has seen, at least up to a number; of a job."""

    kind: Literal["state"] = "state"
    job_id: UUID
    highest_number: Annotated[int, Field(ge=0)]


class StateKind:
    """Answers with a document that may leave."""

    name = "state"
    document = StateOrder
    is_of_job = True
    is_urgent = True
    begins_round = False
    parameters: frozenset[str] = frozenset()

    def payload_kinds(self) -> Collection[str]:
        """None."""
        return ()

    def validate(self, order: StateOrder, incoming: Incoming, silo: SiloContext) -> StateOrder:
        check_open(order, silo.clock.now())
        if order.highest_number > order.number:
            raise Refused("order.malformed", "It asks for more than there can be.")
        return order

    def execute(self, work: StateOrder, incoming: Incoming, silo: SiloContext) -> Outcome:
        statement = SiloState(silo_id=work.silo_id, highest_number=work.highest_number, made_at=now())
        return Outcome(incoming.name, sign_if_allowed(statement, silo.key))
