"""Applying the mean of a round to the global model: the next model and the strategy's next state, written in one pass."""

from __future__ import annotations

import hashlib
import math
import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from federation.aggregation.blocks import TensorFile
from federation.aggregation.checks import square_sum
from federation.aggregation.strategies import Strategy
from federation.aggregation.sums import SumOfUpdates
from federation.errors import Invalid
from federation.protocol.digests import digest_file
from federation.protocol.tensors import WORD_BYTES, Layout, TensorSpec, count_parameters, write_header


@dataclass(frozen=True)
class AppliedUpdate:
    """What was written. `norm_l2` is that of the step: how far the model moved."""

    model_digest: str
    model_size_bytes: int
    state_digest: str | None
    norm_l2: float


def state_layout(strategy: Strategy, layout: Layout) -> Layout:
    """The tensors of a strategy's state file: one vector as long as the model for each moment."""
    words = count_parameters(layout)
    return tuple(TensorSpec(moment, (words,)) for moment in strategy.moments)


def apply(
    strategy: Strategy,
    global_path: Path,
    total: SumOfUpdates,
    state_path: Path | None,
    out_model_path: Path,
    out_state_path: Path | None,
) -> AppliedUpdate:
    """Write the next model (and state) from the global model, the mean, and the last state (None: all zero).

    Both files are flushed to the disk. Arithmetic is float64, rounded once to float32. When anything is raised, the
    files that were begun are removed. Raises Invalid ``tensors.*``, ``model.layout``, ``aggregation.not_finite``, and
    whatever the sum raises.
    """
    if strategy.moments and out_state_path is None:
        raise ValueError(f"{strategy.name} keeps state and needs a place for it")
    state_out = out_state_path if strategy.moments else None
    try:
        model_digest, norm_l2 = _write(strategy, global_path, total, state_path, out_model_path, state_out)
        state_digest = digest_file(state_out) if state_out is not None else None
    except BaseException:
        out_model_path.unlink(missing_ok=True)
        if state_out is not None:
            state_out.unlink(missing_ok=True)
        raise
    return AppliedUpdate(model_digest, out_model_path.stat().st_size, state_digest, norm_l2)


def _write(
    strategy: Strategy,
    global_path: Path,
    total: SumOfUpdates,
    state_path: Path | None,
    out_model_path: Path,
    out_state_path: Path | None,
) -> tuple[str, float]:
    with ExitStack() as stack:
        model = stack.enter_context(TensorFile.of_layout(global_path, total.layout))
        state = _State(stack, strategy, total.layout, state_path, out_state_path)
        out = stack.enter_context(out_model_path.open("wb"))
        write_header(out, total.layout)
        out.flush()
        digest = hashlib.sha256(out_model_path.read_bytes())
        square = 0.0
        buffer = np.empty(0, dtype="<f4")
        for offset, mean in total.blocks():
            if len(buffer) < len(mean):
                buffer = np.empty(len(mean), dtype="<f4")
            words = buffer[: len(mean)]
            model.read_into(words, offset)
            moments = state.read(offset, len(mean))
            step = strategy.step(mean, moments)
            state.write(offset, moments)
            square += square_sum(step)
            np.add(words, step, out=words, casting="same_kind")
            if not np.isfinite(words).all():
                raise Invalid("aggregation.not_finite", "The next model would hold values that are not finite numbers.")
            data = words.view(np.uint8).data
            digest.update(data)
            out.write(data)
        _flush(out)
        state.flush()
    return "sha256:" + digest.hexdigest(), math.sqrt(square)


class _State:
    """The moments of a strategy, read from the last state file and written to the next, block by block."""

    def __init__(
        self, stack: ExitStack, strategy: Strategy, layout: Layout, state_path: Path | None, out_path: Path | None
    ) -> None:
        self._layout = state_layout(strategy, layout)
        self._words = count_parameters(layout)
        self._last: TensorFile | None = None
        self._next: BinaryIO | None = None
        if out_path is None:
            return
        if state_path is not None:
            self._last = stack.enter_context(TensorFile.of_layout(state_path, self._layout))
        self._next = stack.enter_context(out_path.open("wb"))
        self._data_offset = write_header(self._next, self._layout)

    def read(self, offset: int, count: int) -> list[NDArray[np.float64]]:
        """The block's moments, float64."""
        moments = []
        words = np.zeros(count, dtype="<f4")
        for place in range(len(self._layout)):
            if self._last is not None:
                self._last.read_into(words, place * self._words + offset)
            moments.append(words.astype(np.float64))
        return moments

    def write(self, offset: int, moments: list[NDArray[np.float64]]) -> None:
        """Keep the block's moments, rounded to float32."""
        for place, moment in enumerate(moments):
            assert self._next is not None
            self._next.seek(self._data_offset + (place * self._words + offset) * WORD_BYTES)
            self._next.write(moment.astype("<f4").view(np.uint8).data)

    def flush(self) -> None:
        """Bring the next state file to the disk."""
        if self._next is not None:
            _flush(self._next)


def _flush(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
