"""What an agreement and a site's policy have to know of each kind of order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from federation.protocol.documents import Order, OrderKind


@dataclass(frozen=True)
class KindOfOrder:
    """A kind of order, as far as it is allowed or not.

    Attributes:
        task: The task that has to be allowed; None where it is the one of the job, whatever that is.
        rounds_beyond: For how many rounds after a job's last one there may be such orders.
        begins_round: Whether a policy counts it among the rounds of a day.
    """

    task: str | None = None
    rounds_beyond: int = 0
    begins_round: bool = False


KINDS_OF_ORDER: Mapping[OrderKind, KindOfOrder] = MappingProxyType(
    {
        OrderKind.TRAIN: KindOfOrder("train", begins_round=True),
        OrderKind.EVALUATE: KindOfOrder("evaluate", rounds_beyond=1),  # the last model is evaluated once more
        OrderKind.STATISTICS: KindOfOrder("statistics", rounds_beyond=1),  # its job plans no rounds of training
    }
)
_OTHER = KindOfOrder()


def kind_of(order: Order | None) -> KindOfOrder:
    """What there is to know of an order's kind; of none, and of kinds that stand for their job's task, nothing."""
    return _OTHER if order is None else KINDS_OF_ORDER.get(order.kind, _OTHER)
