"""Computing: evaluate the incoming model on the own test rows, train it where asked, and say what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from federation.errors import FederationError, Stopped, Transient
from federation.protocol.documents import (
    UPDATE,
    Environment,
    EvaluationReport,
    Payload,
    Submission,
    TrainingReport,
)
from silo_connector.trainer.data import Prepared
from silo_connector.trainer.egress.filter import Bounds
from silo_connector.trainer.kinds.submissions import submission_to
from silo_connector.trainer.orders.verification import Task
from silo_connector.trainer.refusals import Refused

if TYPE_CHECKING:
    from federation.learning.backend import Begin


class TrainModel(Protocol):
    """Trains a model, and leaves the update in a file."""

    def __call__(
        self,
        task: Task,
        begin: Begin,
        model: Path,
        rows: Prepared,
        update: Path,
        bounds: Bounds,
        should_stop: Callable[[], bool],
    ) -> tuple[TrainingReport, Payload, dict[str, float]]:
        """What came of it, and how many seconds each phase took."""


def preload_torch(threads: int) -> None:
    """Load torch and local training (seconds), for so many threads of the machine."""
    from federation.learning import evaluate, train  # noqa: F401

    train.preload_torch(threads)


def local_backend_factory(task: Task) -> Begin:
    """A family's model, computed in this process."""
    from federation.learning.backend import local_backend_factory

    return local_backend_factory(task.family, task.spec)


def execute_order(
    task: Task,
    begin: Begin,
    model: Path,
    rows: Prepared,
    update: Path,
    bounds: Bounds,
    environment: Environment,
    phases_s: dict[str, float],
    should_stop: Callable[[], bool],
    train: TrainModel | None = None,
) -> Submission:
    """Evaluate the model of a verified order; `train`, where it is asked, leaves its update in the file.

    `begin` says what computes the model. Raises Refused, Stopped, and RunnerLost where a plan was not asked to the end.
    `phases_s` has the seconds of the phases before this one, and goes on into the submission.
    """
    started = time.perf_counter()
    evaluation = _evaluate(task, begin, model, rows, bounds)
    phases_s = {**phases_s, "evaluate": time.perf_counter() - started}
    training: TrainingReport | None = None
    payloads: dict[str, Payload] = {}
    if train is not None:
        training, payloads[UPDATE], more_s = train(task, begin, model, rows, update, bounds, should_stop)
        phases_s |= more_s
    return submission_to(task.order, environment, phases_s, payloads, training=training, evaluation=evaluation)


def _evaluate(task: Task, begin: Begin, model: Path, rows: Prepared, bounds: Bounds) -> EvaluationReport:
    from federation.learning.evaluate import evaluate

    manifest = task.manifest
    try:
        found = evaluate(model, manifest.layout, begin, rows.test, bounds.minimum_cell)
    except (Refused, Stopped, Transient):
        raise
    except FederationError as error:
        raise Refused(error.code, error.message) from error
    rows_disclosed = bounds.rows.believed(found.rows)
    # otherwise the data have grown since the launch, and counts would not add up
    is_whole = rows_disclosed == found.rows
    table = rows.test.target.table
    by_name = {
        name: figure for name, figure in found.figures.items() if name in bounds.metrics and (is_whole or name != table)
    }
    return EvaluationReport(rows=rows_disclosed, figures=by_name, suppressed=found.suppressed or not is_whole)
