"""Evaluation of the global model on a silo's own test rows, with small cells withheld."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from federation.errors import Invalid
from federation.learning.backend import Begin, Computation
from federation.learning.data import ArrayData
from federation.learning.losses import loss_of
from federation.learning.weights import read_flat
from federation.protocol.tensors import Layout

_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Evaluation:
    """How a model does on some rows. `confusion[i][j]` counts rows of class i taken for class j.

    With fewer rows than the minimum cell, everything is withheld: `rows` is 0, figures are None. `suppressed` says that
    something was withheld.
    """

    rows: int
    loss: float | None
    accuracy: float | None
    auc: float | None
    confusion: tuple[tuple[int, ...], ...] | None
    suppressed: bool


def evaluate(
    model_path: Path,
    layout: Layout,
    begin: Begin,
    data: ArrayData,
    minimum_cell: int,
) -> Evaluation:
    """Evaluate the model in `model_path`: mean cross-entropy, share of rows right, area under the ROC curve (two
    classes, both present), confusion counts (whole, or not at all when a non-zero cell is below `minimum_cell`).

    Raises Invalid ``model.*`` or ``tensors.*`` when the model does not fit, ``evaluation.not_finite`` when the model's
    loss on these rows is not a number; and what the model's computation raises.
    """
    rows = len(data)
    if rows < max(minimum_cell, 1):
        return Evaluation(rows=0, loss=None, accuracy=None, auc=None, confusion=None, suppressed=True)
    model = begin(layout, data.n_features, data.n_classes, read_flat(model_path, layout))
    loss, predicted, score = _predict(model, data)
    if not np.isfinite(loss):
        raise Invalid("evaluation.not_finite", "The model's loss is not a finite number on this silo's rows.")
    cells = np.bincount(data.target * data.n_classes + predicted, minlength=data.n_classes**2)
    small = bool(np.any((cells > 0) & (cells < minimum_cell)))
    counts = cells.reshape(data.n_classes, data.n_classes)
    return Evaluation(
        rows=rows,
        loss=loss,
        accuracy=float(np.count_nonzero(predicted == data.target)) / rows,
        auc=area_under_curve(score, data.target) if data.n_classes == 2 else None,
        confusion=None if small else tuple(tuple(int(count) for count in row) for row in counts),
        suppressed=small,
    )


def _predict(model: Computation, data: ArrayData) -> tuple[float, NDArray[np.int64], NDArray[np.float64]]:
    """Mean loss, class taken for each row, and score of class 1 (its log-odds against class 0)."""
    total = 0.0
    predicted = np.empty(len(data), dtype=np.int64)
    score = np.zeros(len(data))
    with torch.inference_mode():
        for begin in range(0, len(data), _BATCH_ROWS):
            part = slice(begin, begin + _BATCH_ROWS)
            logits = model.outputs(torch.from_numpy(data.features[part])).double()
            total += float(loss_of(logits, torch.from_numpy(data.target[part]), reduction="sum"))
            if logits.shape[1] == 1:
                score[part] = logits[:, 0].numpy()
                predicted[part] = score[part] > 0
            else:
                predicted[part] = logits.argmax(dim=1).numpy()
                score[part] = (logits[:, 1] - logits[:, 0]).numpy()
    return total / len(data), predicted, score


def area_under_curve(score: NDArray[np.float64], target: NDArray[np.int64]) -> float | None:
    """Probability that a row of class 1 scores above one of class 0, ties counting half; None with one class alone.

    From the ranks, as the Mann-Whitney statistic. `score` float64 [rows], `target` int64 [rows] of 0 and 1.
    """
    positives = int(np.count_nonzero(target == 1))
    negatives = len(target) - positives
    if not positives or not negatives:
        return None
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    last_rank = np.cumsum(counts)
    mean_rank = last_rank - (counts - 1) / 2
    rank_sum = float(np.sum(mean_rank[inverse][target == 1]))
    return (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
