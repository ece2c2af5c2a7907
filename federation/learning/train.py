"""Local training: a silo improves the global model on its own rows and hands over the difference."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from federation.errors import Invalid, Stopped
from federation.learning.backend import Begin, Computation
from federation.learning.data import ArrayData
from federation.learning.optimisers import make_step
from federation.learning.specification import LocalTraining
from federation.learning.weights import read_flat, unflatten, write_weights
from federation.protocol.tensors import Layout

_BLOCK_WORDS = 128 * 1024


@dataclass(frozen=True)
class TrainingResult:
    """What local training did. The loss is the mean over all steps, as the model saw each batch before its step."""

    rows: int
    train_loss: float
    update_norm_l2: float
    steps: int
    phases_s: dict[str, float]
    update_digest: str
    update_size_bytes: int


def preload_torch(threads: int) -> None:
    """Use so many threads of the machine, and do what takes longer the first time."""
    torch.set_num_threads(threads)
    torch.zeros(1, requires_grad=True).sum().backward()  # type: ignore[no-untyped-call]


def train(
    model_path: Path,
    layout: Layout,
    begin: Begin,
    data: ArrayData,
    local: LocalTraining,
    round_seed: int,
    out_path: Path,
    should_stop: Callable[[], bool] = lambda: False,
) -> TrainingResult:
    """Train from the model in `model_path` and write the update (local minus global, float32) to `out_path`.

    `begin` says what computes the model (``federation.learning.backend``); all else is the same for whatever does.
    Batches are shuffled passes over the rows, drawn from `round_seed`; the result is a function of the arguments alone
    (on one machine with one torch thread). Raises Invalid ``model.*`` or ``tensors.*`` when the model does not fit,
    ``training.no_rows``, and ``training.diverged`` when the update is not finite; and what the
    computation raises.

    `should_stop` is asked before every batch, so it has to be quick. Once it says yes, Stopped ``training.stopped`` is
    raised and nothing is written.
    """
    if not len(data):
        raise Invalid("training.no_rows", "There is no row to train on.")
    started = time.perf_counter()
    start = read_flat(model_path, layout)
    flat = start.copy()  # the model's parameters are views into it: training changes it in place
    model = begin(layout, data.n_features, data.target, flat)
    loaded = time.perf_counter()
    steps = local.steps_for(len(data))
    train_loss = _run(model, data, local, steps, round_seed, unflatten(start, layout), should_stop)
    trained = time.perf_counter()
    with np.errstate(invalid="ignore", over="ignore"):
        flat -= start
    norm_l2 = _norm_l2(flat)
    if not (math.isfinite(norm_l2) and math.isfinite(train_loss)):
        raise Invalid("training.diverged", "Training diverged: the update is not finite. Lower the learning rate.")
    digest = write_weights(out_path, layout, unflatten(flat, layout))
    written = time.perf_counter()
    return TrainingResult(
        rows=len(data),
        train_loss=train_loss,
        update_norm_l2=norm_l2,
        steps=steps,
        phases_s={"load": loaded - started, "train": trained - loaded, "write": written - trained},
        update_digest=digest,
        update_size_bytes=out_path.stat().st_size,
    )


def _run(
    model: Computation,
    data: ArrayData,
    local: LocalTraining,
    steps: int,
    seed: int,
    start: dict[str, NDArray[np.float32]],
    should_stop: Callable[[], bool],
) -> float:
    features, labels = torch.from_numpy(data.features), torch.from_numpy(data.labels)
    parameters = model.parameters
    step = make_step(list(parameters.values()), local)
    anchors = [(parameter, torch.from_numpy(start[name])) for name, parameter in parameters.items()]
    pull = local.learning_rate * local.proximal_mu
    total = torch.zeros((), dtype=torch.float64)
    for batch in _batches(len(data), local.batch_size, steps, seed):
        if should_stop():
            raise Stopped("training.stopped", "Training was called off.")
        index = torch.from_numpy(batch)
        loss = model.backward(features[index], labels[index])
        step()
        if pull:
            _pull(anchors, pull)
        total += loss
    return float(total) / steps


def _norm_l2(words: NDArray[np.float32]) -> float:
    total = 0.0
    for begin in range(0, len(words), _BLOCK_WORDS):
        part = words[begin : begin + _BLOCK_WORDS].astype(np.float64)
        total += float(np.dot(part, part))
    return math.sqrt(total)


def _pull(anchors: list[tuple[torch.nn.Parameter, torch.Tensor]], pull: float) -> None:
    """FedProx's proximal term, (mu / 2) |w - w0|^2, as an exact proximal step after each optimiser step.

    Minimising the linearised loss plus the term in closed form gives w = (w' + lr mu w0) / (1 + lr mu), with w' the
    plain step. To first order in lr mu it is the gradient form of Li et al. 2020 (FedProx, eq. 2), and unlike that it
    is stable for any mu.
    """
    with torch.no_grad():
        for parameter, anchor in anchors:
            parameter.lerp_(anchor, pull / (1.0 + pull))


def _batches(rows: int, batch_size: int, steps: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers of `steps` batches: shuffled passes over all rows, one after another."""
    generator = np.random.Generator(np.random.PCG64(seed))
    done = 0
    while done < steps:
        order = generator.permutation(rows)
        for begin in range(0, rows, batch_size):
            yield order[begin : begin + batch_size]
            done += 1
            if done == steps:
                return
