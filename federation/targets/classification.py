"""What targets with classes share: cross-entropy, the share of rows right, counts by class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from federation.errors import Invalid
from federation.targets.base import Better, Counts, Figure, Figures, Measured, Metric, Target, check_finite

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

ACCURACY = Metric(
    name="accuracy",
    title="Accuracy",
    description="Share of each silo's own test rows that the model gets right, after each round",
    better=Better.HIGHER,
    minimum=0.0,
    maximum=1.0,
)
LOSS = Metric(
    name="loss",
    title="Loss",
    description="Mean cross-entropy on each silo's own test rows, after each round",
    better=Better.LOWER,
    axis="Loss (nats)",
    digits=4,
    counts_at_least=0.0,
    counts_at_most=100.0,
)
"""A mean counts no silo's loss above 100: that of a model that is wrong about every row by e^-100."""
AUC = Metric(
    name="auc",
    title="AUC",
    called="area under the ROC curve",
    description="Area under the ROC curve of each silo's own test rows, after each round",
    better=Better.HIGHER,
    minimum=0.0,
    maximum=1.0,
    not_pooled_reason="It can't be computed from the silos' own figures. Each silo's is under silos.",
)
CONFUSION = "confusion"


@dataclass(frozen=True)
class OutputStatistics:
    """What a pass over a model's outputs found: mean loss, the class taken, the log-odds of class 1 against class 0."""

    loss: float
    predicted: NDArray[np.int64]
    score: NDArray[np.float64]


class Classification(Target):
    """Labels are class numbers from 0 on (int64)."""

    label_dtype = "int64"
    table = CONFUSION
    table_called = "confusion matrix"
    has_classes = True
    primary = "accuracy"
    best_by = "loss"

    @property
    def number_of_classes(self) -> int:
        """How many there are."""
        assert self.n_classes is not None, "a target with classes has a number of them"
        return self.n_classes

    def loss(self, outputs: torch.Tensor, labels: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
        """Cross-entropy of [rows, 1] log-odds of class 1, or of [rows, classes] logits; labels int64 [rows]."""
        import torch

        if outputs.shape[1] == 1:
            return torch.nn.functional.binary_cross_entropy_with_logits(
                outputs[:, 0], labels.to(outputs.dtype), reduction=reduction
            )
        return torch.nn.functional.cross_entropy(outputs, labels, reduction=reduction)

    def measure(
        self, outputs: Iterable[tuple[slice, torch.Tensor]], labels: NDArray[Any], minimum_cell: int
    ) -> Measured:
        """Mean cross-entropy, share of rows right, counts by class (whole, or not at all)."""
        return self.released(self.look(outputs, labels), labels, minimum_cell)

    def look(self, outputs: Iterable[tuple[slice, torch.Tensor]], labels: NDArray[Any]) -> OutputStatistics:
        """One pass over the outputs. Raises Invalid ``evaluation.not_finite``."""
        import numpy as np
        import torch

        total = 0.0
        predicted = np.empty(len(labels), dtype=np.int64)
        score = np.zeros(len(labels))
        for part, logits in outputs:
            total += float(self.loss(logits, torch.from_numpy(labels[part]), reduction="sum"))
            if logits.shape[1] == 1:
                score[part] = logits[:, 0].numpy()
                predicted[part] = score[part] > 0
            else:
                predicted[part] = logits.argmax(dim=1).numpy()
                score[part] = (logits[:, 1] - logits[:, 0]).numpy()
        loss = total / len(labels)
        check_finite(loss)
        return OutputStatistics(loss, predicted, score)

    def released(self, seen: OutputStatistics, labels: NDArray[np.int64], minimum_cell: int) -> Measured:
        """The figures of all classes; the counts are withheld where a non-zero one is below `minimum_cell`."""
        import numpy as np

        cells = np.bincount(labels * self.number_of_classes + seen.predicted, minlength=self.number_of_classes**2)
        small = bool(np.any((cells > 0) & (cells < minimum_cell)))
        figures: dict[str, Figure] = {
            "loss": seen.loss,
            "accuracy": float(np.count_nonzero(seen.predicted == labels)) / len(labels),
        }
        if not small:
            counts = cells.reshape(self.number_of_classes, self.number_of_classes)
            figures[CONFUSION] = tuple(tuple(int(count) for count in row) for row in counts)
        return Measured(figures, small)

    def points_at_few(self, figures: Figures, minimum_cell: int) -> bool:
        """Whether a count is not 0 and below the minimum."""
        counts = figures.get(CONFUSION, ())
        assert not isinstance(counts, float | int)
        return any(0 < count < minimum_cell for row in counts for count in row)

    def check_table(self, value: object, rows: int) -> None:
        """As many rows and columns as classes, of whole numbers from 0 on, `rows` together.

        Raises Invalid ``evaluation.figures``.
        """
        size = self.number_of_classes
        is_table = (
            isinstance(value, list | tuple)
            and len(value) == size
            and all(
                isinstance(row, list | tuple)
                and len(row) == size
                and all(type(count) is int and count >= 0 for count in row)
                for row in value
            )
        )
        if not is_table:
            raise Invalid("evaluation.figures", "The counts by class are whole numbers in a square.", CONFUSION)
        if sum(map(sum, counts_of(value))) != rows:
            raise Invalid("evaluation.figures", "The counts by class are not of the rows that are reported.", CONFUSION)


def counts_of(value: object) -> Counts:
    """A table of counts that was checked, as tuples."""
    assert isinstance(value, list | tuple)
    return tuple(tuple(row) for row in value)


def area_under_curve(score: NDArray[np.float64], labels: NDArray[np.int64]) -> float | None:
    """Probability that a row of class 1 scores above one of class 0, ties counting half; None with one class alone.

    From the ranks, as the Mann-Whitney statistic. `score` float64 [rows], `labels` int64 [rows] of 0 and 1.
    """
    import numpy as np

    positives = int(np.count_nonzero(labels == 1))
    negatives = len(labels) - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(counts)
    mean_rank = last_rank - (counts - 1) / 2
    rank_sum = float(np.sum(mean_rank[inverse][labels == 1]))
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
