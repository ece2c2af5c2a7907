"""What an update must be before it may count: the model's own tensors, finite, within the norm bound."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.aggregation.blocks import BLOCK_WORDS, TensorFile, block_ranges, dot
from federation.errors import Invalid
from federation.protocol.payloads.update_f32 import check_layout, code_of
from federation.protocol.tensors import Layout, count_parameters
from federation.sentences import Sentence

MISSING = "update.missing"
"""The file of an update is gone: of one silo's, the platform has lost it; of all, the store is not there."""


def open_update(path: Path, layout: Layout) -> TensorFile:
    """Open an update whose tensors are exactly those of the layout, in its order; the values are not looked at yet.

    Raises Invalid ``update.missing``, ``truncated``, ``header``, ``schema``, ``shape``, ``dtype`` or ``size``.
    """
    try:
        opened = TensorFile(path)
    except FileNotFoundError as error:
        raise Invalid(MISSING, "The update's file is not there any more.") from error
    except Invalid as error:
        raise Invalid(code_of(error), error.message, error.field) from error
    try:
        check_layout(opened.header.layout, layout)
    except Invalid:
        opened.close()
        raise
    return opened


def squared_l2(words: NDArray[np.float64]) -> float:
    """Sum of squares of float64 words. NaN or infinity among them makes it not finite; values of float32 never do."""
    return dot(words, words)


def check_squared_l2(total: float, norm_max: float) -> float:
    """The L2 norm from the sum of squares. Raises Invalid ``update.not_finite`` or ``update.norm_exceeded``."""
    if not math.isfinite(total):
        raise Invalid("update.not_finite", "The update holds values that are not finite numbers.")
    norm_l2 = math.sqrt(total)
    if total > norm_max * norm_max:
        form = "The update's norm is %(norm)s, %(allowed)s is allowed."
        raise Invalid("update.norm_exceeded", Sentence(form, norm=f"{norm_l2:.6g}", allowed=f"{norm_max:.6g}"))
    return norm_l2


def check_update(path: Path, layout: Layout, norm_max: float) -> float:
    """Check a whole update on its own; returns its L2 norm (float64 accumulation).

    Raises Invalid as `open_update` and `check_squared_l2` do.
    """
    total = 0.0
    words = np.empty(BLOCK_WORDS, dtype="<f4")
    wide = np.empty(BLOCK_WORDS, dtype=np.float64)
    with open_update(path, layout) as update, np.errstate(invalid="ignore", over="ignore"):
        for offset, count in block_ranges(count_parameters(layout)):
            update.read_into(words[:count], offset)
            wide[:count] = words[:count]
            total += squared_l2(wide[:count])
    return check_squared_l2(total, norm_max)
