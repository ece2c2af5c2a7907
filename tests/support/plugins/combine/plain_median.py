"""The median of the updates, element by element; it reports neither norms nor cosines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.aggregation.blocks import TensorFile, block_ranges
from federation.aggregation.checks import open_update
from federation.aggregation.combine.base import CombinedUpdate, Combiner
from federation.protocol.tensors import Layout, count_parameters
from federation.strategies.base import UpdatesNeeded


class Median:
    """Whole weights: each update as often as its weight says."""

    figures = None

    def __init__(self, updates: Sequence[tuple[Path, float]], layout: Layout) -> None:
        self.layout = layout
        self._updates = updates

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Block by block."""
        files: list[tuple[TensorFile, int]] = [
            (open_update(path, self.layout), int(weight)) for path, weight in self._updates
        ]
        try:
            for offset, count in block_ranges(count_parameters(self.layout)):
                rows = []
                for file, weight in files:
                    words = np.empty(count, dtype="<f4")
                    file.read_into(words, offset)
                    rows += [words.astype(np.float64)] * weight
                yield offset, np.median(rows, axis=0)
        finally:
            for file, _weight in files:
                file.close()


def _combine(
    updates: Sequence[tuple[Path, float]],
    layout: Layout,
    norm_max: float,
    *,
    on_block: Callable[[], None] | None = None,
) -> CombinedUpdate:
    del norm_max, on_block
    return Median(updates, layout)


COMBINER = Combiner(name="plain_median", sees=UpdatesNeeded.SINGLE, combine=_combine)
