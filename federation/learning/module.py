"""A family's torch module with given weights in it, and the loss that belongs to its outputs."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from federation.errors import Invalid
from federation.learning.family import Family, ModelSpecification
from federation.learning.weights import unflatten
from federation.protocol.tensors import Layout


def load_module(
    family: Family,
    spec: ModelSpecification,
    n_features: int,
    n_classes: int,
    layout: Layout,
    flat: NDArray[np.float32],
) -> torch.nn.Module:
    """The module over the weights in `flat` (shared memory: training changes them in place).

    Raises Invalid ``model.does_not_fit`` when the layout is not the family's for these data.
    """
    if family.layout(spec, n_features, n_classes) != layout:
        raise Invalid("model.does_not_fit", f"The model is not made for {n_features} features, {n_classes} classes.")
    with torch.device("meta"):
        module = family.build(spec, n_features, n_classes)
    state = {name: torch.from_numpy(tensor) for name, tensor in unflatten(flat, layout).items()}
    module.load_state_dict(state, assign=True)
    return module


def loss_of(logits: torch.Tensor, target: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Cross-entropy of [rows, 1] log-odds of class 1, or of [rows, classes] logits; target int64 [rows]."""
    if logits.shape[1] == 1:
        return torch.nn.functional.binary_cross_entropy_with_logits(
            logits[:, 0], target.to(logits.dtype), reduction=reduction
        )
    return torch.nn.functional.cross_entropy(logits, target, reduction=reduction)
