"""A combiner: how one update comes about from many, in clear or not. All else is the same for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from federation.errors import Invalid
from federation.protocol.tensors import Layout
from federation.strategies.base import UpdatesNeeded


class UpdatesRejectedError(Exception):
    """Some updates must not count; the blocks seen so far are void. `reasons` by the update's place in the sequence."""

    def __init__(self, reasons: dict[int, Invalid]) -> None:
        super().__init__(f"{len(reasons)} updates rejected")
        self.reasons = reasons


@dataclass(frozen=True)
class UpdateFigures:
    """What a combiner that sees single updates reports about one. The cosine is None where a vector is zero."""

    norm_l2: float
    cosine_to_mean: float | None


class CombinedUpdate(Protocol):
    """A round's updates as one, however it came about: weighted mean, opened sum, median."""

    @property
    def layout(self) -> Layout:
        """The tensors of the model."""

    @property
    def figures(self) -> Sequence[UpdateFigures] | None:
        """One for each update, in order, once the blocks are used up; None where single updates are not seen."""

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """(offset in words, float64 block of the combined update), from the first word to the last, in order.

        A block is only valid until the next one is asked for. Raises UpdatesRejectedError when an update must not
        count, once all were looked at whole: blocks yielded before are void.
        """
        ...


class Combine(Protocol):
    """Makes one update of many, lazily: nothing is read before the blocks are asked for."""

    def __call__(
        self,
        updates: Sequence[tuple[Path, float]],
        layout: Layout,
        norm_max: float,
        /,
        *,
        on_block: Callable[[], None] | None = None,
    ) -> CombinedUpdate:
        """`updates` are the file and the weight of each; none may have a larger L2 norm than `norm_max`.

        `on_block` is called before every block that is read, so that anyone who waits hears of progress.
        """
        ...


@dataclass(frozen=True)
class Combiner:
    """A way to combine."""

    name: str
    sees: UpdatesNeeded
    """Whether it sees single updates, or their sums alone."""
    combine: Combine
