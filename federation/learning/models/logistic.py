"""Logistic regression: one weight a feature, for two classes."""

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


TARGETS = frozenset({"binary"})


class LogisticSpecification(ModelSpecification):
    """Logistic regression has nothing to choose."""

    family: Literal["logistic"] = "logistic"


def layout(spec: LogisticSpecification, n_features: int, target: Target) -> Layout:
    """One output: the log-odds of class 1. Raises Invalid ``model.does_not_fit`` for another target."""
    check_target("Logistic regression", TARGETS, target)
    return checked_layout(linear_layout("linear", n_features, 1))


def initial(spec: LogisticSpecification, n_features: int, target: Target, seed: int) -> dict[str, NDArray[np.float32]]:
    """Small random weights."""
    return linear_initial(layout(spec, n_features, target), seed)


def build(spec: LogisticSpecification, n_features: int, target: Target) -> torch.nn.Module:
    """The torch module."""
    from collections import OrderedDict

    import torch

    return torch.nn.Sequential(OrderedDict(linear=torch.nn.Linear(n_features, 1)))


FAMILY = Family(
    name="logistic",
    title="Logistic regression",
    when_to_use="Two classes and tabular data: start here. Few rows suffice and each weight can be read and explained.",
    computes="z = linear.weight · x + linear.bias, one number: the chance of class 1 is 1 / (1 + exp(-z)).",
    Specification=LogisticSpecification,
    targets=TARGETS,
    layout=layout,
    initial=initial,
    build=build,
)
