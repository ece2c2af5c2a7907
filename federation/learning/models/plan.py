"""A model that a training plan declares: its tensors are declared here, what is computed with them only the plan
knows.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from federation.errors import Invalid
from federation.learning.family import Family, ModelSpecification, checked_layout
from federation.protocol.tensors import DIMENSIONS_MAX, NAME_PATTERN, PARAMETERS_MAX, Layout, TensorSpec
from federation.targets import Target

Extent = Annotated[int, Field(ge=1, le=PARAMETERS_MAX)] | Literal["n_features", "n_classes"]


TARGETS = frozenset({"binary", "classes", "real"})


class PlanParameter(BaseModel):
    """A tensor of the model: its shape, where numbers of the job may be named, and how it starts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    shape: Annotated[tuple[Extent, ...], Field(max_length=DIMENSIONS_MAX)]
    start: Literal["uniform", "zeros", "ones"] = "uniform"
    """`uniform` is within 1/sqrt(inputs): all extents but the first; of a tensor with one extent, those of the tensor
    before it."""


class PlanSpecification(ModelSpecification):
    """The tensors of a plan's model, in the order of their bytes."""

    family: Literal["plan"] = "plan"
    parameters: Annotated[tuple[PlanParameter, ...], Field(min_length=1, max_length=4096)]


def layout(spec: PlanSpecification, n_features: int, target: Target) -> Layout:
    """The declared tensors for these data. Raises Invalid ``model.duplicate`` where a name is there twice."""
    known = {"n_features": n_features, "n_classes": target.n_outputs}
    specs: Layout = ()
    names: set[str] = set()
    for one in spec.parameters:
        if one.name in names or one.name == "__metadata__":
            raise Invalid("model.duplicate", f"The name {one.name!r} can't be used twice.", "model.parameters")
        names.add(one.name)
        extents = tuple(known[extent] if isinstance(extent, str) else extent for extent in one.shape)
        if math.prod(extents) > PARAMETERS_MAX:
            raise Invalid("model.too_large", f"The model would have more than {PARAMETERS_MAX} parameters.")
        specs += (TensorSpec(one.name, extents),)
    return checked_layout(specs)


def initial(spec: PlanSpecification, n_features: int, target: Target, seed: int) -> dict[str, NDArray[np.float32]]:
    """Starting weights as declared. Drawn by PCG64 in the order of the layout: one seed, the same bytes everywhere."""
    generator = np.random.Generator(np.random.PCG64(seed))
    weights: dict[str, NDArray[np.float32]] = {}
    bound = 1.0
    for one, tensor in zip(spec.parameters, layout(spec, n_features, target), strict=True):
        if len(tensor.shape) > 1:
            bound = 1.0 / math.sqrt(math.prod(tensor.shape[1:]))
        if one.start == "uniform":
            drawn = generator.random(size=tensor.shape, dtype=np.float32)
            weights[tensor.name] = drawn * np.float32(2 * bound) - np.float32(bound)
        else:
            weights[tensor.name] = np.full(tensor.shape, 1.0 if one.start == "ones" else 0.0, dtype=np.float32)
    return weights


def build(_spec: PlanSpecification, _n_features: int, _target: Target) -> NoReturn:
    """Nobody can build it without the plan. Raises Invalid ``model.needs_plan``."""
    raise Invalid("model.needs_plan", "This model is computed by its training plan, in a silo's runner.")


FAMILY = Family(
    name="plan",
    title="Training plan (custom code)",
    when_to_use="No family does what you need, and every silo's steward has read and approved your code.",
    computes="What the training plan computes: its source is known by its hash.",
    Specification=PlanSpecification,
    targets=TARGETS,
    layout=layout,
    initial=initial,
    build=build,
)
