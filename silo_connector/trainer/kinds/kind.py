"""What a kind of order is to the trainer: how it is read, what must hold of it, and what is done."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from federation.protocol.documents import Environment
from federation.protocol.documents.orders import OrderBase
from federation.protocol.keys import PrivateKey
from silo_connector.config import Config
from silo_connector.folders import SafeDir
from silo_connector.journal import Journal
from silo_connector.trainer.clock import Clock
from silo_connector.trainer.datasets import Datasets
from silo_connector.trainer.orders.authorization import Authorizer
from silo_connector.trainer.orders.urgent_lane import UrgentLane
from silo_connector.trainer.orders.verification import Trust
from silo_connector.trainer.refusals import OrderHead
from silo_connector.trainer.store.order_store import Outcome
from silo_connector.trainer.store.outbox import Outcomes
from silo_connector.trainer.store.statistics import StatisticsAnswers

Said = TypeVar("Said", bound=OrderBase)
Work = TypeVar("Work")


@dataclass(frozen=True)
class Incoming:
    """An order as it came in: its folder, who is believed, and since when it is being looked at."""

    head: OrderHead
    folder: SafeDir
    trust: Trust
    started_s: float
    """By ``time.perf_counter``."""

    @property
    def name(self) -> str:
        """The order's id."""
        return str(self.head.order_id)


@dataclass(frozen=True)
class SiloContext:
    """What this silo has for carrying out orders."""

    config: Config
    key: PrivateKey
    environment: Environment
    journal: Journal
    clock: Clock
    authorizer: Authorizer
    datasets: Datasets
    outbox: Outcomes
    statistics: StatisticsAnswers
    urgent_lane: UrgentLane


class Kind(Protocol[Said, Work]):
    """One kind of order. It is asked twice: whether the order is to be carried out, and to do so.

    A kind that is urgent is also served between two batches of a training. So it has to be quick, and may touch neither
    the datasets nor a generator of random numbers that training uses.
    """

    name: str
    """As orders say it."""
    document: type[Said]
    is_of_job: bool
    """Whether such an order names a job. One whose past this silo has lost is refused before it is validated."""
    is_urgent: bool
    begins_round: bool
    """Whether an order that is allowed counts as a round where the site's policy bounds them by the day."""
    parameters: frozenset[str]
    """The names of the parameters that such an order may have. One with another is refused before it is validated."""

    def payload_kinds(self) -> Collection[str]:
        """The kinds of payload that answers may bring (``federation.protocol.payloads``): the platform is informed."""

    def validate(self, order: Said, incoming: Incoming, silo: SiloContext) -> Work:
        """What is to be done, if all that must hold does. Raises Refused."""

    def execute(self, work: Work, incoming: Incoming, silo: SiloContext) -> Outcome:
        """Do it; the answer, signed. Raises Refused, Stopped, OSError."""


AnyKind = Kind[Any, Any]
