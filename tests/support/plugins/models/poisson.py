"""A family that only tests have: Poisson regression."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from federation.learning.family import ModelSpecification, linear_initial, linear_layout
from federation.learning.models import linear
from federation.protocol.tensors import Layout
from federation.targets import Target


class PoissonSpecification(ModelSpecification):
    family: Literal["poisson"] = "poisson"


def layout(spec: PoissonSpecification, n_features: int, target: Target) -> Layout:
    return linear_layout("linear", n_features, target.n_outputs)


def initial(spec: PoissonSpecification, n_features: int, target: Target, seed: int) -> dict[str, NDArray[np.float32]]:
    return linear_initial(layout(spec, n_features, target), seed)


FAMILY = replace(
    linear.FAMILY,
    name="poisson",
    title="Poisson regression",
    when_to_use="The target is a count.",
    computes="exp(z), z = linear.weight · x + linear.bias: the rate.",
    Specification=PoissonSpecification,
    targets=frozenset({"counts"}),
    layout=layout,
    initial=initial,
)
