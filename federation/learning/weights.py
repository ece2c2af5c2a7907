"""Weights in files: whole models to and from safetensors, as numpy arrays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.errors import Invalid
from federation.protocol.tensors import Layout, count_parameters, encode_header, read_header

Weights = dict[str, NDArray[np.float32]]


def read_flat(path: Path, layout: Layout) -> NDArray[np.float32]:
    """All parameters of a file in one float32 vector, in the layout's order.

    Raises Invalid ``tensors.*`` for a malformed file and ``model.layout`` for another layout.
    """
    with path.open("rb", buffering=0) as stream:
        header = read_header(stream)
        if header.layout != layout:
            raise Invalid("model.layout", "The file's tensors are not those of the model.")
        flat = np.empty(count_parameters(layout), dtype="<f4")
        view = flat.view(np.uint8).data
        done = 0
        while done < len(view):
            count = stream.readinto(view[done:])
            if not count:
                raise Invalid("tensors.truncated", "The file ended while it was read.")
            done += count
    return flat


def unflatten(flat: NDArray[np.float32], layout: Layout) -> Weights:
    """The tensors of a layout as views into the vector that holds them all."""
    weights: Weights = {}
    begin = 0
    for spec in layout:
        weights[spec.name] = flat[begin : begin + spec.size].reshape(spec.shape)
        begin += spec.size
    return weights


def read_weights(path: Path, layout: Layout) -> Weights:
    """The named tensors of a file. Raises as `read_flat` does."""
    return unflatten(read_flat(path, layout), layout)


def write_weights(path: Path, layout: Layout, weights: Mapping[str, NDArray[np.float32]]) -> str:
    """Write a file (flushed to the disk) in the layout's order; returns its digest.

    Raises Invalid ``model.layout`` when names or shapes are not those of the layout.
    """
    if set(weights) != {spec.name for spec in layout}:
        raise Invalid("model.layout", "The tensors are not those of the model.")
    state = hashlib.sha256()
    with path.open("wb") as stream:
        head = encode_header(layout)
        stream.write(head)
        state.update(head)
        for spec in layout:
            tensor = weights[spec.name]
            if tensor.shape != spec.shape:
                raise Invalid("model.layout", f"The shape is {tensor.shape}, not {spec.shape}.", spec.name)
            data = np.ascontiguousarray(tensor, dtype="<f4").reshape(-1).view(np.uint8).data
            stream.write(data)
            state.update(data)
        stream.flush()
        os.fsync(stream.fileno())
    return "sha256:" + state.hexdigest()
