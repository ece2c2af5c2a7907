"""Evaluation of the global model on a silo's own test rows, with small cells withheld."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from federation.learning.backend import Begin, Computation
from federation.learning.data import ArrayData
from federation.learning.weights import read_flat
from federation.protocol.tensors import Layout
from federation.targets import Figure

_BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Evaluation:
    """How a model does on some rows, by the names of the target's figures; what is withheld is not among them.

    With fewer rows than the minimum cell, everything is withheld: `rows` is 0. `suppressed` says that something was.
    """

    rows: int
    figures: Mapping[str, Figure]
    suppressed: bool


def evaluate(
    model_path: Path,
    layout: Layout,
    begin: Begin,
    data: ArrayData,
    minimum_cell: int,
) -> Evaluation:
    """Evaluate the model in `model_path` as the rows' target has it (``federation.targets``).

    Raises Invalid ``model.*`` or ``tensors.*`` when the model does not fit, ``evaluation.not_finite`` when the model's
    loss on these rows is not a number; and what the model's computation raises.
    """
    rows = len(data)
    if rows < max(minimum_cell, 1):
        return Evaluation(rows=0, figures={}, suppressed=True)
    model = begin(layout, data.n_features, data.target, read_flat(model_path, layout))
    with torch.inference_mode():
        found = data.target.measure(_outputs(model, data), data.labels, minimum_cell)
    return Evaluation(rows=rows, figures=found.figures, suppressed=found.suppressed)


def _outputs(model: Computation, data: ArrayData) -> Iterator[tuple[slice, torch.Tensor]]:
    """The model's outputs in float64, part by part, with the rows of each."""
    for begin in range(0, len(data), _BATCH_ROWS):
        part = slice(begin, begin + _BATCH_ROWS)
        yield part, model.outputs(torch.from_numpy(data.features[part])).double()
