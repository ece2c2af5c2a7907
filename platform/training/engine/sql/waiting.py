"""When a step takes no further answers, and how long it waits for whom (docs/adr/0032).

Nothing of it is kept but what was decided at the opening: whether a step is due follows from its orders, at any
moment, for anyone who asks. A process that dies or a nudge that is lost changes nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from realtime import database
from training.models import Round
from training.sql_literals import NOW, sql_literals
from training.transitions import OUTSTANDING, JobState, OrderState, RoundState, StepState
from training.waiting import (
    FIRST_GRACE_MIN_S,
    GRACE_FACTOR,
    GRACE_MIN_S,
    LEFT_OUT,
    LEFT_OUT_RUNNING,
    QUANTILE,
    ROUNDS_LOOKED_AT,
    SILENT,
    USUAL_TIMES_MAX,
    BelowQuorum,
    CloseReason,
    Wait,
)

SILENT_SQL = f"COALESCE(silo.last_seen_at < {NOW} - interval '1 second' * %(silent_after_s)s::float8, false)"
"""Whether a `silo` was heard of, but not for a while. One that was never heard of may be about to come."""

DUE = f"""
    SELECT step.id AS step_id, gathered.close_at, gathered.answerable, gathered.submitted,
           CASE WHEN step.below_quorum = '{BelowQuorum.PAUSE.value}'
                     AND gathered.submitted < step.quorum AND gathered.answerable > 0
                THEN ''
                WHEN gathered.outstanding = 0 THEN '{CloseReason.SETTLED.value}'
                WHEN step.deadline_at <= {NOW} THEN '{CloseReason.DEADLINE.value}'
                WHEN step.wait = '{Wait.ALL.value}' OR gathered.submitted < step.quorum OR gathered.awaited > 0 THEN ''
                WHEN step.wait = '{Wait.QUORUM.value}' THEN '{CloseReason.QUORUM.value}'
                WHEN gathered.present = 0 THEN '{CloseReason.SILENT.value}'
                WHEN gathered.close_at <= {NOW} THEN '{CloseReason.GRACE.value}'
                ELSE '' END AS reason
    FROM training_step AS step
    CROSS JOIN LATERAL (
        SELECT answers.*,
               CASE WHEN step.wait = '{Wait.ADAPTIVE.value}'
                    AND answers.awaited = 0 AND answers.submitted >= step.quorum
               THEN
                   LEAST(step.deadline_at, step.opened_at + interval '1 second' * GREATEST(
                       {GRACE_FACTOR} * step.usual_s,
                       {GRACE_FACTOR} * extract(epoch FROM answers.quorum_at - step.opened_at)::float8,
                       extract(epoch FROM answers.quorum_at - step.opened_at)::float8 + step.grace_min_s))
               END AS close_at
        FROM (
            SELECT count(*) FILTER (WHERE own.state = '{OrderState.SUBMITTED.value}') AS submitted,
                   count(*) FILTER (WHERE own.state IN ({sql_literals(OUTSTANDING)})) AS outstanding,
                   count(*) FILTER (WHERE own.state IN ({sql_literals(OUTSTANDING)}) AND own.expires_at > {NOW})
                       AS answerable,
                   count(*) FILTER (WHERE own.state IN ({sql_literals(OUTSTANDING)}) AND NOT {SILENT_SQL}) AS present,
                   count(*) FILTER (WHERE own.state IN ({sql_literals(OUTSTANDING)}) AND NOT {SILENT_SQL} AND
                   own.awaited)
                       AS awaited,
                   (array_agg(own.answered_at ORDER BY own.answered_at)
                       FILTER (WHERE own.state = '{OrderState.SUBMITTED.value}'))[step.quorum] AS quorum_at
            FROM training_order AS own JOIN silos_silo AS silo ON silo.id = own.silo_id
            WHERE own.step_id = step.id
        ) AS answers
    ) AS gathered
"""  # noqa: S608 - states and numbers of ours
"""Steps (a condition follows), each with the reason for which it is due, or an empty one, and with the moment
when it will be if nobody else answers: NULL where that is for others to say. GREATEST passes over a NULL `usual_s`.
"""


def silent_after() -> dict[str, float]:
    """What the statements here compare with: after how many seconds who was not heard of counts as silent."""
    return {"silent_after_s": settings.SILO_SILENT_AFTER_S}


_DUE_OF_STEP = f"""
    SELECT due.reason, extract(epoch FROM due.close_at - {NOW})::float8 FROM ({DUE} WHERE step.id = %(step)s) AS due
"""  # noqa: S608 - names of ours


def due_in_s(step_id: int) -> float | None:
    """Seconds until this step is due as its orders stand now, 0 if it is; None if that is for others to say."""
    ((reason, in_s),) = database.fetch(_DUE_OF_STEP, {**silent_after(), "step": step_id})
    if reason:
        return 0.0
    return None if in_s is None else max(0.0, in_s)


_DUE_STEPS = f"""
    SELECT due.step_id FROM ({DUE} WHERE step.state = '{StepState.COLLECTING.value}') AS due WHERE due.reason <> ''
    UNION ALL
    SELECT id FROM training_step WHERE state = '{StepState.AGGREGATING.value}' AND lease_until < {NOW}
"""  # noqa: S608 - states of ours


def due_steps() -> list[int]:
    """The steps that collect and need not any more, and those whose worker is gone."""
    return [step_id for (step_id,) in database.fetch(_DUE_STEPS, silent_after())]


_STALLED_STEPS = f"""
    SELECT due.step_id
    FROM ({DUE} WHERE step.state = '{StepState.COLLECTING.value}'
          AND step.below_quorum = '{BelowQuorum.PAUSE.value}') AS due
    JOIN training_step AS step ON step.id = due.step_id
    JOIN training_round AS round ON round.id = step.round_id
    JOIN training_job AS job ON job.id = round.job_id AND job.state = '{JobState.RUNNING.value}'
    WHERE due.submitted < step.quorum AND due.answerable > 0 AND step.deadline_at <= {NOW}
"""  # noqa: S608 - states of ours


def stalled_steps() -> list[int]:
    """The steps of running jobs whose time is over without their quorum, and that are not abandoned for it."""
    return [step_id for (step_id,) in database.fetch(_STALLED_STEPS, silent_after())]


@dataclass(frozen=True)
class Patience:
    """How long a step waits for whom, as decided at its opening."""

    wait: Wait
    usual_s: float | None = None
    grace_min_s: float = GRACE_MIN_S
    awaited: frozenset[UUID] = frozenset()
    """Silos that are waited for to the deadline, since they were left out twice running."""


_HISTORY = f"""
    WITH recent AS (
        SELECT own.silo_id, own.number, own.state, own.code, own.answered_at, own.issued_at,
               row_number() OVER (PARTITION BY own.silo_id ORDER BY own.number DESC) AS place
        FROM training_round AS round
        JOIN training_step AS step ON step.round_id = round.id
        JOIN training_order AS own ON own.step_id = step.id
        WHERE round.job_id = %(job)s AND step.position = %(position)s AND round.state = '{RoundState.CLOSED.value}'
          AND round.number >= %(number)s - {ROUNDS_LOOKED_AT} AND round.number < %(number)s
    ), left_out AS (
        SELECT recent.silo_id FROM recent JOIN silos_silo AS silo ON silo.id = recent.silo_id
        WHERE recent.place <= {LEFT_OUT_RUNNING} AND recent.code = '{LEFT_OUT}' AND NOT {SILENT_SQL}
        GROUP BY recent.silo_id HAVING count(*) = {LEFT_OUT_RUNNING}
    )
    SELECT (SELECT LEAST(
                percentile_cont({QUANTILE}) WITHIN GROUP (ORDER BY extract(epoch FROM answered_at - issued_at)),
                {USUAL_TIMES_MAX}
                * percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM answered_at - issued_at)))
            FROM recent
            WHERE state IN ('{OrderState.APPLIED.value}', '{OrderState.REJECTED.value}', '{OrderState.LATE.value}')),
           ARRAY(SELECT silo_id FROM left_out
                 WHERE NOT EXISTS (
                     SELECT FROM training_order AS before
                     JOIN training_step AS step ON step.id = before.step_id
                     JOIN training_round AS round ON round.id = step.round_id AND round.job_id = %(job)s
                     WHERE before.silo_id = left_out.silo_id AND before.awaited AND before.code <> '{SILENT}'
                       AND NOT EXISTS (
                           SELECT FROM training_order AS since
                           JOIN training_step AS its ON its.id = since.step_id
                           JOIN training_round AS later ON later.id = its.round_id AND later.job_id = %(job)s
                           WHERE since.silo_id = before.silo_id AND since.number >= before.number
                             AND since.state = '{OrderState.APPLIED.value}')))
"""  # noqa: S608 - states and numbers of ours


def patience(round_: Round, position: int, wait: Wait) -> Patience:
    """How long a step that is about to open waits for whom, by what it was like in its job's last rounds."""
    if wait != Wait.ADAPTIVE:
        return Patience(wait)
    given: Mapping[str, object] = {
        **silent_after(),
        "job": round_.job_id,
        "number": round_.number,
        "position": position,
    }
    ((usual_s, awaited),) = database.fetch(_HISTORY, given)
    if usual_s is None:
        return Patience(wait, None, FIRST_GRACE_MIN_S, frozenset(awaited))
    return Patience(wait, float(usual_s), GRACE_MIN_S, frozenset(awaited))
