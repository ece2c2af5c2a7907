"""Training with a plan: the loop is ours, and each batch's gradient comes from the runner."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from federation.errors import Stopped
from federation.plans.declaration import Plan
from federation.protocol.tensors import Layout
from federation.targets import Target
from silo_connector.config import Runner
from silo_connector.logs import Log
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.sandbox.remote import RunnerLost, Session, floats, session

if TYPE_CHECKING:
    from federation.learning.backend import Begin, Computation

LOG = Log("trainer")
ATTEMPTS = 3
PATIENCE_S = 10.0
"""How long a runner that is not there is waited for, each time: long enough for it to be started again."""
_PAUSE_S = 0.5
Done = TypeVar("Done")


def run_plan_in_sandbox(
    plan: Plan,
    runner: Runner,
    should_stop: Callable[[], bool],
    began: Callable[[list[str]], None],
    do: Callable[[Begin], Done],
    clock: Callable[[], float] = time.monotonic,
) -> Done:
    """Do something with a plan in a session of its own; once more from the start where the runner went away.

    All sessions of the order together have the time that the site allows, by `clock` in seconds: it may stand still
    while something else is done. `began` receives the measures by which the session is confined. Raises Refused
    and what `do` raises.
    """
    until_s = clock() + runner.order_timeout_s
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with session(runner, PATIENCE_S, should_stop, until_s, clock) as opened:
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
    from federation.learning.backend import RemoteComputation

    is_loaded = False

    def begin(layout: Layout, n_features: int, target: Target, flat: NDArray[np.float32]) -> Computation:
        nonlocal is_loaded
        if not is_loaded:
            shapes = [[tensor.name, tensor.shape] for tensor in layout]
            by_name = {"target": target.name, "n_classes": target.n_classes}
            opened.open(plan.source, {"layout": shapes, "n_features": n_features, **by_name})
            is_loaded = True
        return RemoteComputation(_Asked(opened, target), layout, flat)

    return begin


class _Asked:
    """The runner, asked about one batch after another; what is not exactly as declared, and finite, is refused."""

    def __init__(self, opened: Session, target: Target) -> None:
        self._session = opened
        self._target = target

    def gradient(
        self, flat: NDArray[np.float32], features: NDArray[np.float32], labels: NDArray[Any]
    ) -> NDArray[np.float32]:
        """Loss and gradient of a batch."""
        head = {"do": "gradients", "rows": len(labels)}
        count = 1 + flat.size
        parts = [_bytes(labels), _bytes(flat), _bytes(features)]
        return floats(self._session.ask("gradients", head, parts, 4 * count), count)

    def outputs(self, flat: NDArray[np.float32], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs of rows."""
        rows = len(features)
        head = {"do": "predict", "rows": rows}
        most = 4 * rows * max(self._target.output_columns)
        frame = self._session.ask("outputs", head, [_bytes(flat), _bytes(features)], most)
        columns = frame.head.get("columns")
        if type(columns) is not int or columns not in self._target.output_columns:
            raise Refused("code.wrong_answer", "The plan's outputs have another number of columns than classes.")
        return floats(frame, rows * columns).reshape(rows, columns)


def _bytes(array: NDArray[Any]) -> memoryview:
    """An array's bytes, row by row; not copied where they lie so already."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
