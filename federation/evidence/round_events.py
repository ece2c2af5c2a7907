"""What the events of a job report, sorted: rounds, their steps, and what was answered in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from federation.tasks import Task, task_of_kind


@dataclass
class StepEvents:
    """A step of a round: an order of one kind for each of some silos."""

    kind: str
    orders: Mapping[str, str]
    """Digests of the orders, by their ids."""
    answers: dict[str, str] = field(default_factory=dict)
    """Digests of submissions that were taken, by the orders' ids."""
    refusals: dict[str, str] = field(default_factory=dict)
    rejected: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    """Those of the rejected answers that were not kept: the log has their digests and no more."""

    recalled: set[str] = field(default_factory=set)
    """Orders that nobody may answer any more."""

    @property
    def counting(self) -> dict[str, str]:
        """The answers that were not rejected, by the orders' ids: those that count once the round does."""
        return {order: answer for order, answer in self.answers.items() if order not in self.rejected}


@dataclass
class RoundEvents:
    """An attempt at a round, from its opening on."""

    number: int
    attempt: int
    work: str
    """What the silos do in it, as the manifest says: train, evaluate, report statistics."""
    kinds: tuple[str, ...]
    """Of its steps, in their order, as the job's protection mode says: one is the work, others may come before."""
    base: str | None
    """None in a job that is about no model."""
    steps: list[StepEvents] = field(default_factory=list)
    """Those that have opened."""
    counted: Mapping[str, str] | None = None
    """Answers of the work that count. None while the round is not closed, or where it was abandoned."""
    model: str | None = ""
    statistics: str | None = None
    """Of what was released, where the round was closed with statistics."""
    is_abandoned: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is neither closed nor abandoned."""
        return self.counted is None and not self.is_abandoned

    @property
    def task(self) -> Task | None:
        """The task whose work is done in it, which may be the one that a job closes with."""
        return task_of_kind(self.work)

    @property
    def makes_model(self) -> bool:
        """Whether a new version of the model comes out of it."""
        return self.task is not None and self.task.trains

    @property
    def evaluates(self) -> bool:
        """Whether silos report in it how the model does, and nothing else."""
        return self.task is not None and self.task.evaluates

    @property
    def releases_statistics(self) -> bool:
        """Whether pooled statistics come out of it."""
        return self.task is not None and self.task.releases_statistics

    @property
    def work_step(self) -> StepEvents | None:
        """The step in which the work is done; None where it has not opened."""
        place = self.kinds.index(self.work)
        return self.steps[place] if place < len(self.steps) else None

    @property
    def orders_of_work(self) -> Mapping[str, str]:
        """The orders to do the work; none where its step has not opened."""
        return {} if self.work_step is None else self.work_step.orders


@dataclass
class History:
    """All that the events report."""

    rounds: list[RoundEvents] = field(default_factory=list)
    """Every attempt, in the order of their opening."""
    apart: list[StepEvents] = field(default_factory=list)
    """Orders that belong to no round, and what was answered to them."""
    passports: list[tuple[int, str, str]] = field(default_factory=list)
    """Round, weights and document of each passport."""
    began: bool = False
    ended: str = ""
    """The verb of the job's end; empty while it goes on."""
    ends_with: str | None = ""
    """The model with which it was completed."""
    _given: dict[str, tuple[RoundEvents | None, StepEvents]] = field(default_factory=dict)
    """By the ids of orders: where each was given."""

    @property
    def closed(self) -> list[RoundEvents]:
        """The rounds that count."""
        return [one for one in self.rounds if one.counted is not None]

    @property
    def steps(self) -> tuple[StepEvents, ...]:
        """The steps of all rounds, in the order of their opening, and the orders of no round."""
        return (*(step for one in self.rounds for step in one.steps), *self.apart)

    @property
    def answers(self) -> Mapping[str, str]:
        """Digests of all submissions and refusals that were taken, by the orders' ids."""
        return {key: digest for step in self.steps for key, digest in (*step.answers.items(), *step.refusals.items())}

    @property
    def rejected(self) -> set[str]:
        """The orders whose answers were taken and then rejected."""
        return set().union(*(step.rejected for step in self.steps))

    def step_of(self, order_id: str) -> StepEvents | None:
        """The step in which an order was given."""
        found = self._given.get(order_id)
        return None if found is None else found[1]

    def is_over(self, order_id: str) -> bool:
        """Whether a later step of the order's round has opened, or that round is closed or abandoned."""
        its, step = self._given[order_id]
        return its is not None and (not its.is_open or its.steps[-1] is not step)

    def is_of_no_round(self, order_id: str) -> bool:
        """Whether an order that was given belongs to no round."""
        return self._given[order_id][0] is None

    def add_step(self, to: RoundEvents | None, step: StepEvents) -> None:
        """A step of a round has opened, or orders of no round were given."""
        (self.apart if to is None else to.steps).append(step)
        self._given.update(dict.fromkeys(step.orders, (to, step)))
