"""What the engine does under the mode: a step of greetings, the work, and a step after which the words are added up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.aggregation.blocks import block_ranges
from federation.aggregation.combine.base import CombinedUpdate, Combiner
from federation.errors import Invalid
from federation.protocol.payloads.masked_u32 import header
from federation.protocol.tensors import Layout, count_parameters
from federation.strategies.base import UpdatesNeeded
from training.protocols.base import Opening, StepPlan

STEP = 2**-16
"""What one is worth of the whole numbers that an update is written in, modulo 2^32."""
OPENED: list[tuple[int, ...]] = []
"""How many answers each step had of the rounds that were opened, for tests."""


class Summed:
    """The mean of updates, of which their sum modulo 2^32 is all that is looked at."""

    figures = None

    def __init__(self, updates: Sequence[tuple[Path, float]], layout: Layout) -> None:
        self.layout = layout
        self._paths = [path for path, _weight in updates]

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Block by block."""
        begin = len(header(self.layout))
        for offset, count in block_ranges(count_parameters(self.layout)):
            total = np.zeros(count, np.uint32)
            for path in self._paths:
                total += np.fromfile(path, "<u4", count, offset=begin + 4 * offset)
            yield offset, total.view(np.int32) * STEP / len(self._paths)


def _open(opening: Opening) -> Combiner:
    """The sum, once all that is needed was stated in the last step."""
    OPENED.append(tuple(len(answers) for answers in opening.steps))
    if opening.protection.mode != Greeted.mode:
        raise Invalid("greeted.not_greeted", "This is another mode's round.")

    def combine(
        updates: Sequence[tuple[Path, float]],
        layout: Layout,
        norm_max: float,
        *,
        on_block: Callable[[], None] | None = None,
    ) -> CombinedUpdate:
        del norm_max, on_block
        return Summed(updates, layout)

    return Combiner(name="words_summed", sees=UpdatesNeeded.SUMS, combine=combine)


class Greeted:
    """Three steps a round."""

    mode = "greeted"

    def steps(self, work: str) -> tuple[StepPlan, ...]:
        """Greetings first, and a last one."""
        return (
            StepPlan("greet", payload_kinds=frozenset({"words.ascii"})),
            StepPlan(work),
            StepPlan("sign_off", opens_with=_open),
        )


PROTOCOL = Greeted()
