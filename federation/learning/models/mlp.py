"""Multi-layer perceptron: fully connected hidden layers with an activation between them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from federation.learning.family import (
    Family,
    ModelSpecification,
    check_target,
    checked_layout,
    linear_initial,
    linear_layout,
)
from federation.protocol.tensors import Layout
from federation.targets import Target

if TYPE_CHECKING:
    import torch


TARGETS = frozenset({"binary", "classes"})


class MlpSpecification(ModelSpecification):
    """Widths of the hidden layers, from the input on, and the activation after each."""

    family: Literal["mlp"] = "mlp"
    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...], Field(min_length=1, max_length=16)]
    activation: Literal["relu", "tanh", "gelu"] = "relu"


def _widths(spec: MlpSpecification, n_features: int, target: Target) -> list[tuple[int, int]]:
    return list(pairwise([n_features, *spec.hidden, target.n_outputs]))


def layout(spec: MlpSpecification, n_features: int, target: Target) -> Layout:
    """A weight and a bias for each layer. Raises Invalid ``model.does_not_fit`` for a target that it is not for."""
    check_target("A multi-layer perceptron", TARGETS, target)
    specs: Layout = ()
    for number, (n_in, n_out) in enumerate(_widths(spec, n_features, target)):
        specs += linear_layout(f"layer{number}", n_in, n_out)
        checked_layout(specs)
    return specs


def initial(spec: MlpSpecification, n_features: int, target: Target, seed: int) -> dict[str, NDArray[np.float32]]:
    """Random weights scaled to each layer's inputs."""
    return linear_initial(layout(spec, n_features, target), seed)


def build(spec: MlpSpecification, n_features: int, target: Target) -> torch.nn.Module:
    """The torch module."""
    from collections import OrderedDict

    import torch

    activations = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "gelu": torch.nn.GELU}
    layers: OrderedDict[str, torch.nn.Module] = OrderedDict()
    for number, (n_in, n_out) in enumerate(_widths(spec, n_features, target)):
        if number:
            layers[f"activation{number}"] = activations[spec.activation]()
        layers[f"layer{number}"] = torch.nn.Linear(n_in, n_out)
    return torch.nn.Sequential(layers)


FAMILY = Family(
    name="mlp",
    title="Multi-layer perceptron",
    when_to_use=(
        "Thousands of rows a silo, and relations that a straight line misses. "
        "Hard to explain: compare it with a regression first."
    ),
    computes=(
        "h = x; for each layer k from 0: h = layer{k}.weight · h + layer{k}.bias, and after each but the last the "
        "activation. The last h is z, one number a class: the chance of class i is exp(z_i) / Σ exp(z_j). "
        "gelu(h) = h · Φ(h), Φ the distribution function of the normal distribution."
    ),
    Specification=MlpSpecification,
    targets=TARGETS,
    layout=layout,
    initial=initial,
    build=build,
)
