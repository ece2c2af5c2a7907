"""Optimiser steps, by torch's functional interface.

Its optimiser classes load the compiler with their first use (seconds, 70 MB), which no trainer here needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from federation.learning.specification import LocalTraining

Step = Callable[[], None]


def make_step(parameters: Sequence[torch.nn.Parameter], local: LocalTraining) -> Step:
    """A function that takes one step along the parameters' gradients; it keeps the optimiser's state."""
    return _adam(parameters, local) if local.optimiser == "adam" else _sgd(parameters, local)


def _sgd(parameters: Sequence[torch.nn.Parameter], local: LocalTraining) -> Step:
    buffers: list[torch.Tensor | None] = [None for _ in parameters]

    @torch.no_grad()
    def step() -> None:
        sgd(
            list(parameters),
            [_gradient(parameter) for parameter in parameters],
            buffers,
            foreach=False,
            weight_decay=local.weight_decay,
            momentum=local.momentum,
            lr=local.learning_rate,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    return step


def _adam(parameters: Sequence[torch.nn.Parameter], local: LocalTraining) -> Step:
    means = [torch.zeros_like(parameter) for parameter in parameters]
    squares = [torch.zeros_like(parameter) for parameter in parameters]
    counts = [torch.tensor(0.0) for _ in parameters]

    @torch.no_grad()
    def step() -> None:
        adam(
            list(parameters),
            [_gradient(parameter) for parameter in parameters],
            means,
            squares,
            [],
            counts,
            foreach=False,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=local.learning_rate,
            weight_decay=local.weight_decay,
            eps=1e-8,
            maximize=False,
        )

    return step


def _gradient(parameter: torch.nn.Parameter) -> torch.Tensor:
    assert parameter.grad is not None
    return parameter.grad
