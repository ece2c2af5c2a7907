"""A training plan while it runs: its functions, called on one batch after another, and held to their shapes."""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from federation.targets import Target

FILE = "plan.py"
Tensors = Mapping[str, torch.Tensor]


class WrongAnswer(Exception):
    """What a plan's function gave is not what it has to be."""


@dataclass(frozen=True)
class Plan:
    """The functions of a plan."""

    predict: Callable[[Tensors, torch.Tensor], Any]
    loss: Callable[[torch.Tensor, torch.Tensor], Any] | None
    transform: Callable[[torch.Tensor], Any] | None
    target: Target

    def outputs(self, parameters: Tensors, features: torch.Tensor) -> torch.Tensor:
        """Outputs [rows, columns] as the target has them; float32. Raises WrongAnswer."""
        rows = len(features)
        if self.transform is not None:
            features = self.transform(features)
            if not isinstance(features, torch.Tensor) or len(features) != rows:
                raise WrongAnswer
        found = self.predict(parameters, features)
        if not isinstance(found, torch.Tensor) or found.ndim != 2 or found.shape[0] != rows:
            raise WrongAnswer
        if found.shape[1] not in self.target.output_columns or not found.is_floating_point():
            raise WrongAnswer
        return found.float()

    def gradients(
        self, parameters: Tensors, features: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The mean loss of a batch, and its gradient by each parameter. Raises WrongAnswer."""
        tensors = list(parameters.values())
        found = self.outputs(parameters, features)
        if self.loss is None:
            mean = self.target.loss(found, labels)
        else:
            losses = self.loss(found, labels)
            if not isinstance(losses, torch.Tensor) or losses.shape != labels.shape or not losses.is_floating_point():
                raise WrongAnswer
            mean = losses.float().mean()
        if not mean.requires_grad:
            raise WrongAnswer
        gradients = torch.autograd.grad(mean, tensors, allow_unused=True)
        pairs = zip(gradients, tensors, strict=True)
        return mean.detach(), [torch.zeros_like(tensor) if one is None else one for one, tensor in pairs]


def load(source: bytes, target: Target) -> Plan:
    """Run the file from top to bottom. It is UTF-8, whatever it says of its own coding: that is how it was reviewed."""
    module = types.ModuleType("plan")
    module.__file__ = FILE
    sys.modules["plan"] = module
    # what this process is for: the code was read and signed for by people, and `confine` has taken all else away
    exec(compile(source.decode(), FILE, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    found = module.__dict__
    return Plan(found["predict"], found.get("loss"), found.get("transform"), target)


def public_error(error: BaseException) -> dict[str, Any]:
    """What is reported of a plan's fault: a built-in type and a line, nothing that the plan could have written
    itself.
    """
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    if line is None and isinstance(error, SyntaxError):
        line = error.lineno
    kind = next((one.__name__ for one in type(error).__mro__ if getattr(builtins, one.__name__, None) is one), None)
    return {"type": kind, "line": line}


def is_want_of_memory(error: BaseException) -> bool:
    """Whether a plan asked for more memory than it may have."""
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)
