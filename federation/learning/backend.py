"""What computes a model: in this process by its family's module, or elsewhere by its training plan.

Training and evaluation are the same for both: batches, optimiser, proximal term, norm and metrics are theirs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from federation.errors import Invalid
from federation.learning.family import Family, ModelSpecification
from federation.learning.weights import unflatten
from federation.protocol.tensors import Layout
from federation.targets import Target


class Computation(Protocol):
    """A model over weights that it shares with the code that trains it: they are changed in place."""

    @property
    def parameters(self) -> Mapping[str, torch.nn.Parameter]:
        """The model's tensors by name, views into the vector of all weights."""

    def backward(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch, float32 []; its gradient is left in the parameters."""

    def outputs(self, features: torch.Tensor) -> torch.Tensor:
        """Outputs of rows, float32 [rows, columns], as the target has them: logits of classes, or numbers."""


Begin = Callable[[Layout, int, Target, NDArray[np.float32]], Computation]
"""Makes a computation of (layout, n_features, target, all weights in one vector)."""


def local_backend_factory(family: Family, spec: ModelSpecification) -> Begin:
    """Computed here, by a torch module of the family."""

    def begin(layout: Layout, n_features: int, target: Target, flat: NDArray[np.float32]) -> Computation:
        return ModuleComputation(load_module(family, spec, n_features, target, layout, flat), target)

    return begin


def load_module(
    family: Family,
    spec: ModelSpecification,
    n_features: int,
    target: Target,
    layout: Layout,
    flat: NDArray[np.float32],
) -> torch.nn.Module:
    """The module over the weights in `flat` (shared memory: training changes them in place).

    Raises Invalid ``model.does_not_fit`` when the layout is not the family's for these data.
    """
    if family.layout(spec, n_features, target) != layout:
        raise Invalid(
            "model.does_not_fit", f"The model is not made for {n_features} features and a {target.name} target."
        )
    with torch.device("meta"):
        module = family.build(spec, n_features, target)
    state = {name: torch.from_numpy(tensor) for name, tensor in unflatten(flat, layout).items()}
    module.load_state_dict(state, assign=True)
    return module


class ModuleComputation:
    """A torch module and the loss that belongs to its target."""

    def __init__(self, module: torch.nn.Module, target: Target) -> None:
        self._target = target
        self._module = module
        self._parameters = dict(module.named_parameters())

    @property
    def parameters(self) -> Mapping[str, torch.nn.Parameter]:
        """The module's own."""
        return self._parameters

    def backward(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """By torch's automatic differentiation."""
        if not self._module.training:
            self._module.train()
        for parameter in self._parameters.values():
            parameter.grad = None
        loss = self._target.loss(self._module(features), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def outputs(self, features: torch.Tensor) -> torch.Tensor:
        """Without gradients, and as a trained model is used."""
        if self._module.training:
            self._module.eval()
        with torch.inference_mode():
            logits: torch.Tensor = self._module(features)
        return logits


class RemoteBackend(Protocol):
    """Who computes a model in another process, in numpy: what is given back has been checked."""

    def gradient(
        self, flat: NDArray[np.float32], features: NDArray[np.float32], labels: NDArray[Any]
    ) -> NDArray[np.float32]:
        """The mean loss of a batch, and after it its gradient by all weights: float32 [1 + weights], finite."""

    def outputs(self, flat: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs of rows: float32 [rows, columns], finite."""


class RemoteComputation:
    """A model that is computed elsewhere, over weights that stay here."""

    def __init__(self, elsewhere: RemoteBackend, layout: Layout, flat: NDArray[np.float32]) -> None:
        self._elsewhere = elsewhere
        self._flat = flat
        self._gradient = np.zeros_like(flat)
        gradients = unflatten(self._gradient, layout)
        self._parameters: dict[str, torch.nn.Parameter] = {}
        for name, tensor in unflatten(flat, layout).items():
            parameter = torch.nn.Parameter(torch.from_numpy(tensor))
            parameter.grad = torch.from_numpy(gradients[name])
            self._parameters[name] = parameter

    @property
    def parameters(self) -> Mapping[str, torch.nn.Parameter]:
        """Views into the weights."""
        return self._parameters

    def backward(self, features: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """One question."""
        found = self._elsewhere.gradient(self._flat, features.numpy(), labels.numpy())
        self._gradient[:] = found[1:]
        return torch.tensor(found[0])

    def outputs(self, features: torch.Tensor) -> torch.Tensor:
        """One question."""
        return torch.from_numpy(self._elsewhere.outputs(self._flat, features.numpy()))
