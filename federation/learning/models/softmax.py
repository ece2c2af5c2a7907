"""Softmax regression: logistic regression for any number of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

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


class SoftmaxSpecification(ModelSpecification):
    """Softmax regression has nothing to choose."""

    family: Literal["softmax"] = "softmax"


def layout(spec: SoftmaxSpecification, n_features: int, target: Target) -> Layout:
    """One output a class. Raises Invalid ``model.does_not_fit`` for a target without classes."""
    check_target("Softmax regression", TARGETS, target)
    return checked_layout(linear_layout("linear", n_features, target.n_outputs))


def initial(spec: SoftmaxSpecification, n_features: int, target: Target, seed: int) -> dict[str, NDArray[np.float32]]:
    """Small random weights."""
    return linear_initial(layout(spec, n_features, target), seed)


def build(spec: SoftmaxSpecification, n_features: int, target: Target) -> torch.nn.Module:
    """The torch module."""
    from collections import OrderedDict

    import torch

    return torch.nn.Sequential(OrderedDict(linear=torch.nn.Linear(n_features, target.n_outputs)))


FAMILY = Family(
    name="softmax",
    title="Softmax regression",
    when_to_use="Three or more classes and tabular data: as plain and readable as logistic regression.",
    computes="z = linear.weight · x + linear.bias, one number a class: the chance of class i is exp(z_i) / Σ exp(z_j).",
    Specification=SoftmaxSpecification,
    targets=TARGETS,
    layout=layout,
    initial=initial,
    build=build,
)
