"""Models and updates in files, some of them hostile."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.learning.weights import unflatten, write_weights
from federation.protocol.tensors import Layout, TensorSpec, count_parameters

LAYOUT = (TensorSpec("body.weight", (30, 100)), TensorSpec("body.bias", (30,)), TensorSpec("head", (7,)))
WORDS = count_parameters(LAYOUT)
BLOCK = 1024 * 4


def vector(seed: int, words: int = WORDS, scale: float = 1.0) -> NDArray[np.float32]:
    """Random words."""
    return (np.random.default_rng(seed).standard_normal(words) * scale).astype(np.float32)


def put(path: Path, flat: NDArray[np.float32], layout: Layout = LAYOUT) -> Path:
    """A file of this layout with these words."""
    write_weights(path, layout, unflatten(flat, layout))
    return path


def put_all(folder: Path, flats: Sequence[NDArray[np.float32]], layout: Layout = LAYOUT) -> list[Path]:
    """One update a vector."""
    return [put(folder / f"update-{place}", flat, layout) for place, flat in enumerate(flats)]


def put_raw(path: Path, header: Any, data: bytes) -> Path:
    """A file with any header."""
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path
