"""Softmax regression: logistic regression for any number of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from federation.learning.family import Family, ModelSpecification, checked_layout, linear_initial, linear_layout
from federation.protocol.tensors import Layout

if TYPE_CHECKING:
    import torch


class SoftmaxSpecification(ModelSpecification):
    """Softmax regression has nothing to choose."""

    family: Literal["softmax"] = "softmax"


def layout(spec: SoftmaxSpecification, n_features: int, n_classes: int) -> Layout:
    """One output a class."""
    return checked_layout(linear_layout("linear", n_features, n_classes))


def initial(spec: SoftmaxSpecification, n_features: int, n_classes: int, seed: int) -> dict[str, NDArray[np.float32]]:
    """Small random weights."""
    return linear_initial(layout(spec, n_features, n_classes), seed)


def build(spec: SoftmaxSpecification, n_features: int, n_classes: int) -> torch.nn.Module:
    """The torch module."""
    from collections import OrderedDict

    import torch

    return torch.nn.Sequential(OrderedDict(linear=torch.nn.Linear(n_features, n_classes)))


FAMILY = Family(
    name="softmax",
    title="Softmax regression",
    when_to_use="Three or more classes and tabular data: as plain and readable as logistic regression.",
    computes="z = linear.weight · x + linear.bias, one number a class: the chance of class i is exp(z_i) / Σ exp(z_j).",
    Specification=SoftmaxSpecification,
    layout=layout,
    initial=initial,
    build=build,
)
