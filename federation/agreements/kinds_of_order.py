"""What an agreement and a site's policy have to know of each kind of order."""

from __future__ import annotations

from dataclasses import dataclass

from federation.protocol.documents import Order
from federation.tasks import task_of_kind


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


_OTHER = KindOfOrder(rounds_beyond=1)
"""What stands around the work of a round goes as far as the round that closes a job."""


def kind_of(order: Order | None) -> KindOfOrder:
    """What there is to know of an order's kind; of none, and of kinds that stand for their job's task, nothing."""
    if order is None:
        return _OTHER
    task = task_of_kind(order.kind)
    return _OTHER if task is None else KindOfOrder(task.name, task.rounds_beyond, task.trains)
