"""Carrying out an order: evaluate the incoming model on the own test rows, then train, and say what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from federation.errors import FederationError, Stopped, Transient
from federation.learning.specification import round_seed
from federation.protocol.documents import (
    Environment,
    EvaluationReport,
    OrderKind,
    PayloadReference,
    Submission,
    TrainingReport,
    now,
)
from silo_connector.trainer.data import Prepared
from silo_connector.trainer.egress_filter import Bounds
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.verification import Task

if TYPE_CHECKING:
    from federation.learning.backend import Begin


def warm_up(threads: int) -> None:
    """Load torch and local training (seconds), for so many threads of the machine."""
    from federation.learning import evaluate, train  # noqa: F401

    train.warm_up(threads)


def of_family(task: Task) -> Begin:
    """A family's model, computed in this process."""
    from federation.learning.backend import of_family

    return of_family(task.family, task.spec)


def carry_out(
    task: Task,
    begin: Begin,
    model: Path,
    rows: Prepared,
    update: Path,
    bounds: Bounds,
    environment: Environment,
    phases_s: dict[str, float],
    should_stop: Callable[[], bool],
) -> Submission:
    """Do what a verified order asks; a train order leaves its update in the file.

    `begin` says what computes the model. Raises Refused, Stopped, and RunnerLost where a plan was not asked to the end.
    `phases_s` has the seconds of the phases before this one, and goes on into the submission.
    """
    started = time.perf_counter()
    evaluation = _evaluate(task, begin, model, rows, bounds)
    phases_s = {**phases_s, "evaluate": time.perf_counter() - started}
    training, payload = None, None
    if task.order.kind is OrderKind.TRAIN:
        training, payload, more_s = _train(task, begin, model, rows, update, bounds, should_stop)
        phases_s |= more_s
    order = task.order
    return Submission(
        order_id=order.order_id,
        number=order.number,
        kind=order.kind,
        silo_id=order.silo_id,
        job_id=order.job_id,
        manifest_digest=order.manifest_digest,
        round=order.round,
        attempt=order.attempt,
        model_digest=task.model.digest,
        payload=payload,
        training=training,
        evaluation=evaluation,
        phases_s={phase: round(seconds, 4) for phase, seconds in phases_s.items()},
        environment=environment,
        created_at=now(),
    )


def _evaluate(task: Task, begin: Begin, model: Path, rows: Prepared, bounds: Bounds) -> EvaluationReport:
    from federation.learning.evaluate import evaluate

    manifest = task.manifest
    try:
        found = evaluate(model, manifest.layout, begin, rows.test, bounds.minimum_cell)
    except (Refused, Stopped, Transient):
        raise
    except FederationError as error:
        raise Refused(error.code, error.message) from error
    rows_told = bounds.rows.believed(found.rows)
    is_whole = rows_told == found.rows  # otherwise the data have grown since the launch, and counts would not add up
    table = rows.test.target.table
    told = {
        name: figure for name, figure in found.figures.items() if name in bounds.metrics and (is_whole or name != table)
    }
    return EvaluationReport(rows=rows_told, figures=told, suppressed=found.suppressed or not is_whole)


def _train(
    task: Task, begin: Begin, model: Path, rows: Prepared, update: Path, bounds: Bounds, should_stop: Callable[[], bool]
) -> tuple[TrainingReport, PayloadReference, dict[str, float]]:
    from federation.learning.train import train

    manifest = task.manifest
    assert task.local is not None, "a verified train order has its local training"
    seed = round_seed(manifest.seed, str(task.order.silo_id), task.order.round)
    try:
        done = train(model, manifest.layout, begin, rows.train, task.local, seed, update, should_stop)
    except (Refused, Stopped, Transient):
        raise
    except FederationError as error:
        raise Refused(error.code, error.message) from error
    if done.update_norm_l2 > manifest.limits.update_norm_l2_max:
        raise Refused("update.norm_exceeded", f"The update has norm {done.update_norm_l2:.6g}.")
    report = TrainingReport(
        rows=bounds.rows.weight(done.rows),
        steps=done.steps,
        loss=done.train_loss if "loss" in bounds.metrics else None,
        update_norm_l2=done.update_norm_l2,
    )
    return report, PayloadReference(digest=done.update_digest, size_bytes=done.update_size_bytes), done.phases_s
