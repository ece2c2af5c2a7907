"""A target: what the column to be predicted holds, and all that follows from it. One object that everybody asks."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median_low
from typing import TYPE_CHECKING, Any, ClassVar, Self

from federation.errors import Invalid

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

REPORTED_MAX = 1e30
"""As large may figures be in a report: `FINITE_MAX` of documents, which are not imported here."""
Counts = tuple[tuple[int, ...], ...]
Figure = float | Counts
Figures = Mapping[str, Figure]
"""What a report says of a model: a number for each metric that may be disclosed, and a table of counts."""


class Better(StrEnum):
    """Which way a metric points."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True)
class Metric:
    """A number that says how a model does on some rows. A name means the same in every target that has it."""

    name: str
    """As agreements and reports write it."""
    title: str
    description: str
    """What a silo reports of it after each round, as the caption of a chart."""
    better: Better
    minimum: float | None = None
    maximum: float | None = None
    """Between these every value lies; None where there is no such bound."""
    axis: str = ""
    """What an axis says where its title alone would not reveal the unit."""
    digits: int = 3
    """How many decimals a reader needs; of a metric with significant digits, those are written."""
    called: str = ""
    """As an agreement's text has it; its name where that says it all."""
    significant_digits: int | None = None
    """With how many a silo reports it, where more of them would reveal single rows. None: as it was computed."""
    decimals_disclosed: int | None = None
    """And with how many decimals at most, where what lies near zero would else be reported more closely."""
    counts_at_most_times_median: float | None = None
    """How many times the lower median of all silos' values one of them counts at most, where no bound is natural."""
    not_pooled_reason: str = ""
    """Why there is none over all silos; empty where it is the mean over their rows."""
    counts_at_least: float | None = None
    counts_at_most: float | None = None
    """What one silo's value counts in that mean at least and at most, where no model could do better or worse."""

    @property
    def is_pooled(self) -> bool:
        """Whether one figure over all silos follows from theirs."""
        return not self.not_pooled_reason

    @property
    def limits(self) -> tuple[float, float] | None:
        """The bounds where it has both."""
        return None if self.minimum is None or self.maximum is None else (self.minimum, self.maximum)

    def is_valid(self, value: object) -> bool:
        """Whether this can be a value of it: a finite number within its bounds."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return False
        if (self.minimum is not None and value < self.minimum) or (self.maximum is not None and value > self.maximum):
            return False
        return self.coarse(value) == value

    def coarse(self, value: float) -> float:
        """A value as a silo reports it: rounded where the metric asks for it. What was rounded stays as it is."""
        if self.significant_digits is not None:
            value = float(f"{value:.{self.significant_digits - 1}e}")
        return value if self.decimals_disclosed is None else round(value, self.decimals_disclosed)

    def counted(self, value: float, others: Sequence[float] = ()) -> float:
        """A silo's value as it counts in the mean over all silos, whose values `others` are (its own among them)."""
        low = value if self.counts_at_least is None else max(value, self.counts_at_least)
        low = low if self.counts_at_most is None else min(low, self.counts_at_most)
        if self.counts_at_most_times_median is None or not others:
            return low
        return min(low, self.counts_at_most_times_median * median_low(others))

    def is_better(self, one: float, other: float) -> bool:
        """Whether `one` is strictly better than `other`."""
        return one > other if self.better is Better.HIGHER else one < other


@dataclass(frozen=True)
class Measured:
    """How a model does on some rows, as far as it may be disclosed. `suppressed` says that something was withheld."""

    figures: dict[str, Figure]
    suppressed: bool


class Target(ABC):
    """What the column to be predicted holds, with the outputs, the loss and the metrics that go with it.

    Labels are an array [rows] of `label_dtype`; a model's outputs are float32 [rows, columns].
    """

    name: ClassVar[str]
    title: ClassVar[str]
    rank: ClassVar[int] = 1000
    """Where it is among the others."""
    label_dtype: ClassVar[str]
    metrics: ClassVar[tuple[Metric, ...]]
    """In the order in which pages show them."""
    table: ClassVar[str] = ""
    """The name of its table of counts; empty where it has none."""
    table_called: ClassVar[str] = ""
    """The table as an agreement's text has it."""
    loss_figure: ClassVar[str] = "loss"
    """The figure that its loss is: an agreement that lets it out lets the loss of training out as well."""
    has_classes: ClassVar[bool] = False
    """Whether a declaration names its classes. It follows from their number then, unless it is named."""
    primary: ClassVar[str]
    """The metric that a page shows where it shows one."""
    best_by: ClassVar[str]
    """The metric by which a model's best version is chosen."""
    n_classes: int | None
    """How many classes it has; None where it has none."""

    @classmethod
    @abstractmethod
    def over(cls, n_classes: int | None) -> Self:
        """The target over so many classes. Raises Invalid ``target.classes`` for a number that is not its own."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Size of a model's head: the number of its outputs, where a family has no smaller one of its own."""

    @property
    def output_columns(self) -> frozenset[int]:
        """The numbers of columns that outputs may have."""
        return frozenset({self.n_outputs})

    @abstractmethod
    def loss(self, outputs: torch.Tensor, labels: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
        """The loss of outputs [rows, columns] for labels [rows]; `reduction` as torch has it: mean or sum."""

    @abstractmethod
    def measure(
        self, outputs: Iterable[tuple[slice, torch.Tensor]], labels: NDArray[Any], minimum_cell: int
    ) -> Measured:
        """How a model does, from its outputs (float64) part by part, with what would point at few rows withheld.

        There are at least `minimum_cell` rows. Raises Invalid ``evaluation.not_finite`` where the loss is no number.
        """

    @abstractmethod
    def points_at_few(self, figures: Figures, minimum_cell: int) -> bool:
        """Whether something in figures of enough rows is itself of so few that it may point at somebody."""

    @classmethod
    def labels_of(cls, values: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The labels [rows] that finite numbers are, and which of them can't be one. For targets without classes."""
        raise NotImplementedError(f"A {cls.name} target has classes.")

    def training_loss_disclosed(self, loss: float, rows: int, minimum_cell: int) -> float | None:
        """The loss of training on so many rows as a silo may disclose it; None where it may not."""
        del rows, minimum_cell
        return loss

    def check_training_loss(self, loss: float, rows: int, minimum_cell: int) -> None:
        """Raise Invalid ``evaluation.figures`` for a loss of training that no silo may disclose."""
        if self.training_loss_disclosed(loss, rows, minimum_cell) != loss:
            raise Invalid(
                "evaluation.figures", f"The loss of training is not reported like this of {rows} rows.", "loss"
            )

    @classmethod
    def figure_names(cls) -> tuple[str, ...]:
        """All that a report may disclose."""
        return (*(metric.name for metric in cls.metrics), *((cls.table,) if cls.table else ()))

    @classmethod
    def metric(cls, name: str) -> Metric:
        """The metric of this name. Raises KeyError."""
        return {metric.name: metric for metric in cls.metrics}[name]

    @classmethod
    def pooled_metrics(cls) -> tuple[Metric, ...]:
        """Those that there are over all silos. A silo has to report all of them to count."""
        return tuple(metric for metric in cls.metrics if metric.is_pooled)

    def check(self, figures: Mapping[str, object], rows: int) -> None:
        """Hold a report's figures to what this target has.

        Raises Invalid ``evaluation.figures`` for a name that it doesn't have, a value out of bounds, a wrong table.
        """
        for name, value in figures.items():
            if name == self.table and self.table:
                self.check_table(value, rows)
            elif name not in {metric.name for metric in self.metrics} or not self.metric(name).is_valid(value):
                raise Invalid("evaluation.figures", f"{name} is no figure of a {self.name} target like this.", name)

    def check_table(self, value: object, rows: int) -> None:
        """Hold the table of counts to its shape. Raises Invalid ``evaluation.figures``."""
        raise Invalid("evaluation.figures", f"A {self.name} target has no table of counts.", self.table)


def check_finite(loss: float) -> None:
    """Raise Invalid ``evaluation.not_finite`` for a loss that is no number, or none that a report can hold."""
    if not abs(loss) <= REPORTED_MAX:
        raise Invalid("evaluation.not_finite", "The model's loss is not a finite number on this silo's rows.")
