"""Applying a round's combined update to the global model: the next model and the strategy's next state, in one pass."""

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

from federation.aggregation.blocks import BLOCK_WORDS, TensorFile
from federation.aggregation.checks import squared_l2
from federation.aggregation.combine import CombinedUpdate
from federation.errors import Invalid
from federation.protocol.digests import digest_file
from federation.protocol.tensors import WORD_BYTES, Layout, TensorSpec, count_parameters, encode_header, write_header
from federation.strategies import Strategy


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
    combined: CombinedUpdate,
    state_path: Path | None,
    out_model_path: Path,
    out_state_path: Path | None,
) -> AppliedUpdate:
    """Write the next model (and state) from the global model, the combined update, and the last state (None: all zero).

    Both files are flushed to the disk. Arithmetic is float64, rounded once to float32. When anything is raised, the
    files that were begun are removed. Raises Invalid ``tensors.*``, ``model.layout``, ``aggregation.not_finite``, and
    whatever the combiner raises.
    """
    if strategy.moments and out_state_path is None:
        raise ValueError(f"{strategy.name} keeps state and needs a place for it")
    out_state_path = out_state_path if strategy.moments else None
    try:
        with ExitStack() as stack:
            model = stack.enter_context(TensorFile.of_layout(global_path, combined.layout))
            state = _State(stack, strategy, combined.layout, state_path, out_state_path)
            out = stack.enter_context(out_model_path.open("wb"))
            model_digest, norm_l2 = _write(strategy, model, combined, state, out)
        state_digest = digest_file(out_state_path) if out_state_path is not None else None
    except BaseException:
        out_model_path.unlink(missing_ok=True)
        if out_state_path is not None:
            out_state_path.unlink(missing_ok=True)
        raise
    return AppliedUpdate(model_digest, out_model_path.stat().st_size, state_digest, norm_l2)


def _write(
    strategy: Strategy, model: TensorFile, combined: CombinedUpdate, state: _State, out: BinaryIO
) -> tuple[str, float]:
    head = encode_header(combined.layout)
    out.write(head)
    digest = hashlib.sha256(head)
    square = 0.0
    next_words, spare = np.empty(BLOCK_WORDS, dtype="<f4"), np.empty(BLOCK_WORDS)
    for offset, mean in combined.blocks():
        words = next_words[: len(mean)]
        model.read_into(words, offset)
        moments = state.read(offset, len(mean))
        step = strategy.server_update(mean, moments, spare[: len(mean)])
        state.write(offset, moments)
        square += squared_l2(step)
        with np.errstate(over="ignore", invalid="ignore"):
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
        self._words = count_parameters(layout)
        self._moments = [np.zeros(BLOCK_WORDS) for _ in strategy.moments]
        self._narrow = np.empty(BLOCK_WORDS if strategy.moments else 0, dtype="<f4")
        self._last: TensorFile | None = None
        self._next: BinaryIO | None = None
        if out_path is None:
            return
        tensors = state_layout(strategy, layout)
        if state_path is not None:
            self._last = stack.enter_context(TensorFile.of_layout(state_path, tensors))
        self._next = stack.enter_context(out_path.open("wb", buffering=0))
        self._data_offset = write_header(self._next, tensors)

    def read(self, offset: int, count: int) -> list[NDArray[np.float64]]:
        """The block's moments, float64; valid until the next block is read."""
        for place, moment in enumerate(self._moments):
            if self._last is None:
                moment[:count] = 0
            else:
                self._last.read_into(self._narrow[:count], place * self._words + offset)
                moment[:count] = self._narrow[:count]
        return [moment[:count] for moment in self._moments]

    def write(self, offset: int, moments: list[NDArray[np.float64]]) -> None:
        """Keep the block's moments, rounded to float32."""
        for place, moment in enumerate(moments):
            assert self._next is not None
            narrow = self._narrow[: len(moment)]
            narrow[:] = moment
            self._next.seek(self._data_offset + (place * self._words + offset) * WORD_BYTES)
            view = narrow.view(np.uint8).data
            while view:
                view = view[self._next.write(view) :]

    def flush(self) -> None:
        """Bring the next state file to the disk."""
        if self._next is not None:
            _flush(self._next)


def _flush(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
