"""Rounds and orders as they are shown: what was fetched, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from federation.aggregation.metric_pooling import Measured, combine
from federation.targets import Target
from rest.figures import numbers_in
from silos.models import Silo
from training.models import CohortMember, Evaluation, Order, Round, Step
from training.reading.counting import Tally, tally
from training.reading.small_cells import table_unless_small
from training.transitions import OrderState, RoundState


@dataclass(frozen=True)
class OrderRow:
    """What a silo was asked to do, and how far it has come."""

    order: Order
    inputs_size_bytes: int

    @property
    def duration_s(self) -> float | None:
        """Seconds from handing it over to the answer."""
        if self.order.delivered_at is None or self.order.answered_at is None:
            return None
        return (self.order.answered_at - self.order.delivered_at).total_seconds()

    @property
    def phases_s(self) -> dict[str, float]:
        """Seconds by phase, as the trainer reported."""
        return dict(self.order.submission.phases_s) if hasattr(self.order, "submission") else {}

    @property
    def bytes_down(self) -> int:
        """Size of what it brought, once it was delivered."""
        return 0 if self.order.delivered_at is None else self.inputs_size_bytes

    @property
    def bytes_up(self) -> int:
        """Size of what came with its answer."""
        return self.order.submission.payload_size_bytes if hasattr(self.order, "submission") else 0


@dataclass(frozen=True)
class StepRow:
    """A step of a round with its orders."""

    step: Step
    orders: tuple[OrderRow, ...]

    @cached_property
    def tally(self) -> Tally:
        """What became of its orders."""
        return tally(row.order.state for row in self.orders)

    @property
    def duration_s(self) -> float | None:
        """Seconds from its opening to its end."""
        return (self.step.closed_at - self.step.opened_at).total_seconds() if self.step.closed_at else None

    @property
    def bytes_down(self) -> int:
        """Of all silos."""
        return sum(row.bytes_down for row in self.orders)

    @property
    def bytes_up(self) -> int:
        """Of all silos."""
        return sum(row.bytes_up for row in self.orders)


@dataclass(frozen=True)
class RoundRow:
    """A round with its orders. It must have been fetched by `selectors.rounds_of`."""

    round: Round

    @cached_property
    def steps(self) -> tuple[StepRow, ...]:
        """The steps that were opened, in their order."""
        return tuple(
            StepRow(step, tuple(OrderRow(order, self._inputs_size_bytes(order)) for order in step.orders.all()))
            for step in sorted(self.round.steps.all(), key=lambda step: step.position)
        )

    def _inputs_size_bytes(self, order: Order) -> int:
        if order.inputs_size_bytes is not None:
            return order.inputs_size_bytes
        version = self.round.base_version
        return 0 if version is None else version.size_bytes

    @property
    def current(self) -> StepRow | None:
        """The step that it is in, or was in last."""
        return self.steps[-1] if self.steps else None

    @property
    def step(self) -> Step | None:
        """The step that it is in, or was in last."""
        return self.current.step if self.current else None

    @property
    def orders(self) -> tuple[OrderRow, ...]:
        """The orders of all its steps."""
        return tuple(row for step in self.steps for row in step.orders)

    @property
    def current_orders(self) -> tuple[OrderRow, ...]:
        """For each silo, its order of the step in which it was asked last."""
        return tuple({row.order.silo_id: row for row in self.orders}.values())

    @property
    def tally(self) -> Tally:
        """What became of the orders of the step that it is in."""
        return self.current.tally if self.current else tally(())

    @property
    def state_label(self) -> str:
        """How far it has come: an open one as far as its step."""
        if self.round.state == RoundState.OPEN and self.step is not None:
            return self.step.get_state_display()
        return self.round.get_state_display()

    @property
    def duration_s(self) -> float | None:
        """Seconds from its opening to its end."""
        return (self.round.closed_at - self.round.opened_at).total_seconds() if self.round.closed_at else None

    @property
    def bytes_down(self) -> int:
        """Of all silos."""
        return sum(step.bytes_down for step in self.steps)

    @property
    def bytes_up(self) -> int:
        """Of all silos."""
        return sum(step.bytes_up for step in self.steps)


@dataclass(frozen=True)
class EvaluationRow:
    """How a model did at one silo. Numbers that are small enough to point at somebody are left out."""

    evaluation: Evaluation
    minimum_cell: int

    @property
    def silo(self) -> Silo:
        """Where."""
        return self.evaluation.silo

    @property
    def suppressed(self) -> bool:
        """Whether something was left out: all of it where there are too few rows, else the counts by class."""
        return self._too_few or self.evaluation.suppressed

    @property
    def _too_few(self) -> bool:
        return self.evaluation.rows < self.minimum_cell

    @property
    def rows_evaluated(self) -> int | None:
        """On how many of the silo's own test rows."""
        return None if self._too_few else self.evaluation.rows

    @property
    def figures(self) -> dict[str, float]:
        """The metrics that it reported, by the names of the model's target; nothing where there are too few rows."""
        return {} if self._too_few else numbers_in(self.evaluation.figures)

    def table(self, name: str) -> list[list[int]] | None:
        """The target's table of counts, such as counts by class. Whole, or not at all."""
        return None if self._too_few else table_unless_small(self.evaluation, name, self.minimum_cell)


@dataclass(frozen=True)
class MetricsRow:
    """How the model with which a round began did at every silo. Fetched by `selectors.evaluated_rounds_of`."""

    round: Round

    @cached_property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """The silos' evaluations, by the silos' names."""
        steps = sorted(self.round.steps.all(), key=lambda step: step.position)
        orders = [order for step in steps for order in step.orders.all() if hasattr(order, "evaluation")]
        last_reported = {order.silo_id: order.evaluation for order in orders}
        return tuple(sorted(last_reported.values(), key=lambda evaluation: evaluation.silo.name))

    @property
    def combined(self) -> dict[str, object]:
        """One figure from many."""
        listed = [
            Measured(str(one.silo.organisation_id), one.rows, one.figures)
            for one in self.evaluations
            if one.order.state != OrderState.REJECTED
        ]
        return combine(self.target, listed, self.round.job.organisation_share_max)

    @property
    def target(self) -> Target:
        """What the model is asked for."""
        return self.round.version.model.target_kind

    @property
    def tables(self) -> tuple[tuple[EvaluationRow, list[list[int]] | None], ...]:
        """Each silo's figures, with the table of counts where the target has one and it may be shown."""
        return tuple((row, row.table(self.target.table)) for row in self.silos)

    @property
    def silos(self) -> tuple[EvaluationRow, ...]:
        """Each silo's figures."""
        minimum_cell = int(self.round.job.request["limits"]["minimum_cell"])
        return tuple(EvaluationRow(evaluation, minimum_cell) for evaluation in self.evaluations)


@dataclass(frozen=True)
class CohortRow:
    """A silo of a job with the dataset that it brings, and what it does with its newest order."""

    cohort_member: CohortMember
    order: OrderRow | None
    evaluation: EvaluationRow | None
