"""Linear regression: one weight a feature, for a number."""

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


TARGETS = frozenset({"real"})


class LinearSpecification(ModelSpecification):
    """Linear regression has nothing to choose."""

    family: Literal["linear"] = "linear"


def layout(spec: LinearSpecification, n_features: int, target: Target) -> Layout:
    """One output: the number. Raises Invalid ``model.does_not_fit`` for a target with classes."""
    check_target("Linear regression", TARGETS, target)
    return checked_layout(linear_layout("linear", n_features, target.n_outputs))


def initial(spec: LinearSpecification, n_features: int, target: Target, seed: int) -> dict[str, NDArray[np.float32]]:
    """Small random weights."""
    return linear_initial(layout(spec, n_features, target), seed)


def build(spec: LinearSpecification, n_features: int, target: Target) -> torch.nn.Module:
    """The torch module."""
    from collections import OrderedDict

    import torch

    return torch.nn.Sequential(OrderedDict(linear=torch.nn.Linear(n_features, target.n_outputs)))


FAMILY = Family(
    name="linear",
    title="Linear regression",
    when_to_use="The target is a number and the data are a table: start here. Each weight can be read and explained.",
    computes="z = linear.weight · x + linear.bias, one number: the prediction, in the unit of the target.",
    Specification=LinearSpecification,
    targets=TARGETS,
    layout=layout,
    initial=initial,
    build=build,
)
