"""Training with a plan: the loop is ours, and each batch's gradient comes from the runner."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from federation.errors import Stopped
from federation.plans.declaration import Plan
from federation.protocol.tensors import Layout
from silo_connector.config import Runner
from silo_connector.logs import Log
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.remote import RunnerLost, Session, floats, session

if TYPE_CHECKING:
    import torch

    from federation.learning.computation import Begin, Computation

LOG = Log("trainer")
ATTEMPTS = 3
PATIENCE_S = 10.0
"""How long a runner that is not there is waited for, each time: long enough for it to be started again."""
_PAUSE_S = 0.5
Done = TypeVar("Done")


def in_runner(
    plan: Plan,
    runner: Runner,
    should_stop: Callable[[], bool],
    began: Callable[[list[str]], None],
    do: Callable[[Begin], Done],
) -> Done:
    """Do something with a plan in a session of its own; once more from the start where the runner went away.

    `began` is told by which measures the session is confined. Raises Refused ``code.*``, and what `do` raises.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with session(runner, PATIENCE_S, should_stop) as opened:
                began(opened.measures)
                return do(_begin(plan, opened))
        except RunnerLost as error:
            LOG.warning("runner.lost", attempt=attempt, reason=error.message)
            lost = error
            if should_stop():
                raise Stopped("training.stopped", "Training was called off.") from error
            time.sleep(_PAUSE_S)
    raise Refused("code.no_runner", f"The runner was lost {ATTEMPTS} times: {lost.message}") from lost


def _begin(plan: Plan, opened: Session) -> Begin:
    is_loaded = False

    def begin(layout: Layout, n_features: int, n_classes: int, flat: NDArray[np.float32]) -> Computation:
        nonlocal is_loaded
        if not is_loaded:
            shapes = [[tensor.name, tensor.shape] for tensor in layout]
            opened.open(plan.source, {"layout": shapes, "n_features": n_features, "n_classes": n_classes})
            is_loaded = True
        return PlanComputation(opened, layout, n_classes, flat)

    return begin


class PlanComputation:
    """A plan's model, computed by the runner over weights that stay here."""

    def __init__(self, opened: Session, layout: Layout, n_classes: int, flat: NDArray[np.float32]) -> None:
        import torch

        from federation.learning.weights import unflatten

        self._session = opened
        self._n_classes = n_classes
        self._flat = flat
        self._gradient = np.zeros_like(flat)
        gradients = unflatten(self._gradient, layout)
        self._parameters = {}
        for name, tensor in unflatten(flat, layout).items():
            parameter = torch.nn.Parameter(torch.from_numpy(tensor))
            parameter.grad = torch.from_numpy(gradients[name])
            self._parameters[name] = parameter

    @property
    def parameters(self) -> Mapping[str, torch.nn.Parameter]:
        """The plan's tensors."""
        return self._parameters

    def backward(self, features: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """One question to the runner; the answer is exactly a loss and a gradient, all finite, or it is refused."""
        import torch

        rows = len(target)
        parts = [_bytes(target.numpy()), _bytes(self._flat), _bytes(features.numpy())]
        count = 1 + self._flat.size
        frame = self._session.ask("gradients", {"do": "gradients", "rows": rows}, parts, 4 * count)
        found = floats(frame, count)
        self._gradient[:] = found[1:]
        return torch.tensor(found[0])

    def outputs(self, features: torch.Tensor) -> torch.Tensor:
        """One question to the runner; the answer is [rows, 1] or [rows, classes], all finite, or it is refused."""
        import torch

        rows = len(features)
        parts = [_bytes(self._flat), _bytes(features.numpy())]
        head = {"do": "predict", "rows": rows}
        frame = self._session.ask("outputs", head, parts, 4 * rows * self._n_classes)
        columns = frame.head.get("columns")
        if type(columns) is not int or columns not in ({1, 2} if self._n_classes == 2 else {self._n_classes}):
            raise Refused("code.wrong_answer", "The plan's outputs have another number of columns than classes.")
        return torch.from_numpy(floats(frame, rows * columns).reshape(rows, columns))


def _bytes(array: NDArray[Any]) -> memoryview:
    """An array's bytes, row by row; not copied where they lie so already."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
