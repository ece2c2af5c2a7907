"""The weighted mean of updates that lie in clear in files, block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.aggregation.blocks import BLOCK_WORDS, TensorFile, block_ranges, dot
from federation.aggregation.checks import check_squared_l2, open_update, squared_l2
from federation.aggregation.combine.base import Combiner, UpdateFigures, UpdatesRejectedError
from federation.errors import Invalid
from federation.protocol.tensors import Layout, count_parameters
from federation.strategies.base import UpdatesNeeded

_BUFFER_BYTES = 16 << 20
_BLOCK_WORDS_MIN = 4 * 1024


class PlaintextWeightedMean:
    """The weighted mean of updates that lie in files, checked while they are read.

    Weights are positive and finite; only their proportions matter. Addition is float64 in the order given, element by
    element (no BLAS), so the same files give the same bits on every machine. Memory: a block for each silo, 16 MB in
    all up to a thousand silos. Once the blocks are used up, `figures` and `norm_l2` (of the mean) are there.
    """

    def __init__(
        self,
        updates: Sequence[tuple[Path, float]],
        layout: Layout,
        norm_max: float = math.inf,
        block_words: int = BLOCK_WORDS,
        on_block: Callable[[], None] | None = None,
    ) -> None:
        if not updates:
            raise Invalid("aggregation.nothing_to_sum", "There is no update.")
        if any(not math.isfinite(weight) or weight <= 0 for _, weight in updates):
            raise Invalid("aggregation.weight", "Weights are positive finite numbers.")
        self.layout = layout
        self.figures: list[UpdateFigures] = []
        self.norm_l2 = 0.0
        self._paths = [path for path, _ in updates]
        total = math.fsum(weight for _, weight in updates)
        self._shares = [weight / total for _, weight in updates]
        self._on_block = on_block or _nothing
        self._norm_max = norm_max
        self._square_max = norm_max * norm_max
        room = _BUFFER_BYTES // (4 * len(updates))
        self._block_words = max(min(block_words, room), _BLOCK_WORDS_MIN)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """See `CombinedUpdate`. Raises UpdatesRejectedError when an update must not count, once all were read whole.

        Blocks yielded before the raise are void: write them where nobody looks yet.
        """
        with ExitStack() as stack, np.errstate(invalid="ignore", over="ignore"):
            files, reasons = self._open(stack)
            if reasons:
                self._check_rest(files, reasons, np.zeros(len(self._paths)), 0)
            squares = np.zeros(len(self._paths))
            dots = np.zeros(len(self._paths))
            mean_square = 0.0
            size = self._block_words
            words = np.empty((len(self._paths), size), dtype="<f4")
            mean, wide, narrow = np.empty(size), np.empty(size), np.empty(size, dtype=np.float32)
            for offset, count in block_ranges(count_parameters(self.layout), size):
                self._on_block()
                total, part = mean[:count], wide[:count]
                for place, share in enumerate(self._shares):
                    files[place].read_into(words[place, :count], offset)
                    part[:] = words[place, :count]
                    squares[place] += squared_l2(part)
                    if place == 0:
                        np.multiply(part, share, out=total)
                    else:
                        np.multiply(part, share, out=part)
                        np.add(total, part, out=total)
                if not np.all(squares <= self._square_max):
                    self._check_rest(files, {}, squares, offset + count)
                mean_square += squared_l2(total)
                narrow[:count] = total
                for place in range(len(files)):
                    dots[place] += dot(words[place, :count], narrow[:count])
                yield offset, total
            self._finish(squares, dots, mean_square)

    def _open(self, stack: ExitStack) -> tuple[dict[int, TensorFile], dict[int, Invalid]]:
        files: dict[int, TensorFile] = {}
        reasons: dict[int, Invalid] = {}
        for place, path in enumerate(self._paths):
            try:
                files[place] = stack.enter_context(open_update(path, self.layout))
            except Invalid as error:
                reasons[place] = error
        return files, reasons

    def _check_rest(
        self, files: dict[int, TensorFile], reasons: dict[int, Invalid], squares: NDArray[np.float64], done: int
    ) -> None:
        """Something is wrong: check what is left of every file, so that one pass finds all that is wrong; raise it."""
        words = np.empty(self._block_words, dtype="<f4")
        for place, file in files.items():
            for offset, count in block_ranges(count_parameters(self.layout), self._block_words):
                if offset >= done:
                    self._on_block()
                    file.read_into(words[:count], offset)
                    squares[place] += squared_l2(words[:count].astype(np.float64))
            try:
                check_squared_l2(float(squares[place]), self._norm_max)
            except Invalid as error:
                reasons[place] = error
        raise UpdatesRejectedError(reasons)

    def _finish(self, squares: NDArray[np.float64], dots: NDArray[np.float64], mean_square: float) -> None:
        reasons: dict[int, Invalid] = {}
        figures = []
        self.norm_l2 = math.sqrt(mean_square)
        for place, total in enumerate(squares):
            try:
                norm_l2 = check_squared_l2(float(total), self._norm_max)
            except Invalid as error:
                reasons[place] = error
                continue
            figures.append(UpdateFigures(norm_l2, _cosine(float(dots[place]), norm_l2 * self.norm_l2)))
        if reasons:
            raise UpdatesRejectedError(reasons)
        self.figures = figures


def _nothing() -> None:
    pass


def _cosine(dot: float, product: float) -> float | None:
    """Cosine from a dot product in float32; None where that has no meaning (a zero vector, or far out of range)."""
    if not 1e-30 < product < 1e30:
        return None
    return max(-1.0, min(1.0, dot / product))


COMBINER = Combiner(name="weighted_mean", sees=UpdatesNeeded.SINGLE, combine=PlaintextWeightedMean)
