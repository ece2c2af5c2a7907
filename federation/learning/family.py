"""A model family: a kind of model that a job may name, with everything needed to lay it out, start it and run it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from federation.errors import Invalid
from federation.protocol.tensors import PARAMETERS_MAX, Layout, TensorSpec, count_parameters
from federation.targets import Target

if TYPE_CHECKING:
    import torch


class ModelSpecification(BaseModel):
    """The declarative description of a model: what a job's author writes, bounded, without code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: str


@dataclass(frozen=True)
class Family:
    """A kind of model. `layout`, `initial` and `build` get (specification, n_features, target[, seed]).

    `computes` says how the outputs follow from the features x, by the names of the tensors.

    `build` makes a torch module whose state dict is the layout; its forward gives outputs [rows, columns] as the target
    has them. `initial` needs no torch and is a function of its arguments alone. `targets` are those that it is for.
    """

    name: str
    title: str
    when_to_use: str
    computes: str
    Specification: type[ModelSpecification]
    layout: Callable[[Any, int, Target], Layout]
    initial: Callable[[Any, int, Target, int], dict[str, NDArray[np.float32]]]
    build: Callable[[Any, int, Target], torch.nn.Module]
    targets: frozenset[str]


def check_target(name: str, targets: frozenset[str], target: Target) -> None:
    """Raise Invalid ``model.does_not_fit`` for a target that the family of this name is not for."""
    if target.name not in targets:
        raise Invalid(
            "model.does_not_fit", f"{name} is for {_listed(targets)}, not for a {target.name} target.", "model.family"
        )


def _listed(targets: frozenset[str]) -> str:
    return " and ".join(sorted(targets))


def checked_layout(layout: Layout) -> Layout:
    """The layout, if it is not too large. Raises Invalid ``model.too_large``."""
    if count_parameters(layout) > PARAMETERS_MAX:
        raise Invalid("model.too_large", f"The model would have more than {PARAMETERS_MAX} parameters.")
    return layout


def linear_layout(name: str, n_in: int, n_out: int) -> Layout:
    """The tensors of a fully connected layer, named as torch names them."""
    return (TensorSpec(f"{name}.weight", (n_out, n_in)), TensorSpec(f"{name}.bias", (n_out,)))


def linear_initial(layout: Layout, seed: int) -> dict[str, NDArray[np.float32]]:
    """Starting weights of fully connected layers: uniform within 1/sqrt(inputs), as torch's ``nn.Linear`` starts.

    Drawn by PCG64 in the order of the layout: the same seed gives the same bytes on every machine.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    weights: dict[str, NDArray[np.float32]] = {}
    bound = 1.0
    for spec in layout:
        if len(spec.shape) == 2:
            bound = 1.0 / math.sqrt(spec.shape[1])
        drawn = generator.random(size=spec.shape, dtype=np.float32)
        drawn *= np.float32(2 * bound)
        drawn -= np.float32(bound)
        weights[spec.name] = drawn
    return weights
