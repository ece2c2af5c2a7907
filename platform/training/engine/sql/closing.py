"""A claimed step as its closing reads it, holds it, and ends it with its round."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from federation.aggregation.metric_pooling import Measured
from federation.protocol.rows import RowLimits
from realtime import database
from registry.models import Model, ModelVersion
from training.models import Job, Round
from training.protocols.answers import Answer, Brought
from training.sql_literals import NOW, may_become
from training.transitions import ROUND, STEP, OrderState, RoundState, StepState

_ROUND = ("id", "job_id", "number", "attempt", "state", "base_version_id", "opened_at")
_JOB = (
    "id",
    "consortium_id",
    "state",
    "request",
    "model_id",
    "evaluated_version_id",
    "manifest_digest",
    "rounds_planned",
    "quorum",
    "round_deadline_s",
    "wait",
    "retries_max",
    "organisation_share_max",
)
_VERSION = ("id", "model_id", "digest", "size_bytes", "optimiser_digest", "is_best")
_MODEL = ("id", "layout", "n_classes", "target")


def _columns(table: str, names: Sequence[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


_ROUND_OF_STEP = f"""
    SELECT {_columns("round", _ROUND)}, {_columns("job", _JOB)}, {_columns("version", _VERSION)},
           {_columns("model", _MODEL)}
    FROM training_round AS round
    JOIN training_job AS job ON job.id = round.job_id
    LEFT JOIN registry_modelversion AS version ON version.id = round.base_version_id
    LEFT JOIN registry_model AS model ON model.id = version.model_id
    WHERE round.id = %(round)s
"""  # noqa: S608 - names of ours


def round_with_job(round_id: UUID) -> Round:
    """A round with its job and base version, as far as closing needs them; other fields are read when asked for."""
    row = iter(database.fetch(_ROUND_OF_STEP, {"round": round_id})[0])
    values = {
        cls: {name: next(row) for name in names}
        for cls, names in ((Round, _ROUND), (Job, _JOB), (ModelVersion, _VERSION), (Model, _MODEL))
    }
    values[Job]["request"] = json.loads(values[Job]["request"])
    round_ = Round.from_db("default", _ROUND, list(values[Round].values()))
    round_.job = Job.from_db("default", _JOB, list(values[Job].values()))
    if values[Round]["base_version_id"] is None:
        return round_
    values[Model]["layout"] = json.loads(values[Model]["layout"])
    round_.base_version = ModelVersion.from_db("default", _VERSION, list(values[ModelVersion].values()))
    round_.base_version.model = Model.from_db("default", _MODEL, list(values[Model].values()))
    return round_


_LOCK_JOB = "SELECT state, reason_code, started_at, ended_at FROM training_job WHERE id = %(job)s FOR UPDATE"
_LOCK_STEP = f"""
    SELECT id FROM training_step
    WHERE id = %(step)s AND state = '{StepState.AGGREGATING.value}' AND lease = %(lease)s FOR UPDATE
"""  # noqa: S608 - a state of ours


def lock_claimed_step(*, round_: Round, step_id: int, lease: UUID) -> bool:
    """Lock a claimed step with its job, which is then as it is now. False if the claim does not stand any more."""
    job = round_.job
    # the parent first, as everywhere
    ((job.state, job.reason_code, job.started_at, job.ended_at),) = database.fetch(_LOCK_JOB, {"job": job.id})
    return bool(database.fetch(_LOCK_STEP, {"step": step_id, "lease": lease}))


_ANSWER = """
    SELECT own.id,
           (SELECT jsonb_object_agg(payload.name, jsonb_build_array(payload.kind, payload.digest))
            FROM training_payload AS payload WHERE payload.order_id = own.id)::text,
           submission.rows, member.rows_coarse, member.weight_max, step.position
    FROM training_order AS own
    JOIN training_submission AS submission ON submission.order_id = own.id
    JOIN training_step AS step ON step.id = own.step_id
    JOIN training_round AS round ON round.id = step.round_id
    JOIN training_cohortmember AS member ON member.job_id = round.job_id AND member.silo_id = own.silo_id
"""
_ANSWERS = f"""
    {_ANSWER}
    WHERE own.step_id = %(step)s AND own.state = '{OrderState.SUBMITTED.value}'
    ORDER BY own.silo_id
"""
_COUNTED_ANSWERS = f"""
    {_ANSWER}
    WHERE step.round_id = %(round)s AND step.position < %(before)s AND own.state = '{OrderState.APPLIED.value}'
    ORDER BY own.silo_id
"""


def answers(step_id: int) -> list[Answer]:
    """What counts in a step, in the order of the silos' ids: sums do not depend on who was first."""
    return [answer for _position, answer in _answers_of(database.fetch(_ANSWERS, {"step": step_id}))]


def counted_answers(round_id: UUID, *, before: int) -> list[list[Answer]]:
    """What has counted in each step of a round before the one at this position, in the order of the silos' ids."""
    steps: list[list[Answer]] = [[] for _ in range(1, before)]
    for position, answer in _answers_of(database.fetch(_COUNTED_ANSWERS, {"round": round_id, "before": before})):
        steps[position - 1].append(answer)
    return steps


def _answers_of(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Answer]]:
    """Each with the position of its step."""
    for order_id, payloads, own_rows, rows_coarse, weight_max, position in rows:
        brought = {name: Brought(*one) for name, one in json.loads(payloads or "{}").items()}
        yield position, Answer(order_id, brought, own_rows, RowLimits.of(rows_coarse, weight_max))


_REJECTED = f"""
    SELECT count(*) FROM training_order WHERE step_id = %(step)s AND state = '{OrderState.REJECTED.value}'
"""  # noqa: S608 - a state of ours


def rejected(step_id: int) -> int:
    """How many answers of a step were rejected as they came."""
    return int(database.fetch(_REJECTED, {"step": step_id})[0][0])


_COUNTED = f"""
    SELECT own.id, submission.document_digest
    FROM training_order AS own
    JOIN training_step AS step ON step.id = own.step_id
    JOIN training_submission AS submission ON submission.order_id = own.id
    WHERE step.round_id = %(round)s AND own.state = '{OrderState.APPLIED.value}'
"""  # noqa: S608 - a state of ours


def counted(round_id: UUID) -> dict[str, str]:
    """The answers that have counted in a round that is closed: the orders' ids, and the documents' digests."""
    return {str(order_id): digest for order_id, digest in database.fetch(_COUNTED, {"round": round_id})}


_MEASURED = f"""
    SELECT silo.organisation_id::text, evaluation.rows, evaluation.figures::text
    FROM training_evaluation AS evaluation
    JOIN training_order AS own ON own.id = evaluation.order_id
    JOIN silos_silo AS silo ON silo.id = evaluation.silo_id
    WHERE own.step_id = %(step)s AND own.state <> '{OrderState.REJECTED.value}'
    ORDER BY evaluation.silo_id
"""  # noqa: S608 - a state of ours


def measured(step_id: int) -> list[Measured]:
    """What the silos reported in a step of its round's global model, but for those whose answers were rejected."""
    return [
        Measured(organisation, rows, json.loads(figures))
        for organisation, rows, figures in database.fetch(_MEASURED, {"step": step_id})
    ]


_END_STEP = f"""
    UPDATE training_step
    SET state = '{StepState.CLOSED.value}', closed_at = {NOW}, lease = NULL, lease_until = NULL
    WHERE id = %(step)s AND state IN ({may_become(STEP, StepState.CLOSED)})
"""  # noqa: S608 - states of ours
_END_ROUND = f"""
    WITH last_step AS ({_END_STEP})
    UPDATE training_round
    SET state = '{RoundState.CLOSED.value}', reason_code = '', closed_at = {NOW}, update_norm_l2 = %(norm)s
    WHERE id = %(round)s AND state IN ({may_become(ROUND, RoundState.CLOSED)})
"""  # noqa: S608 - states of ours


def end_step(step_id: int) -> None:
    """A (locked) step is over and counts; another one of its round follows."""
    database.fetch(_END_STEP, {"step": step_id})


def end_round(round_id: UUID, *, step_id: int, update_norm_l2: float | None) -> None:
    """A (locked) step is over, the last of its round, and both count."""
    database.fetch(_END_ROUND, {"step": step_id, "norm": update_norm_l2, "round": round_id})
