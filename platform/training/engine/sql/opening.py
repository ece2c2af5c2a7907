"""A round and its steps as they are opened: where the job stands, who is asked, and the rows that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from consortia.transitions import ParticipationState
from realtime import database
from silos.transitions import SiloState
from training.engine.deadlines import StepDeadlines
from training.engine.sql.waiting import Patience
from training.models import Job, Round
from training.protocols.base import StepPlan
from training.sql_literals import NOW
from training.transitions import OrderState, RoundState, StepState


@dataclass(frozen=True)
class JobProgress:
    """How far a job has come, and the silos that can be asked now: active, of organisations that still take part.

    Those whose organisation has suspended the job's agreement are not asked; `agreement_state` is empty without one.
    """

    now: datetime
    rounds_open: int
    rounds_closed: int
    silo_ids: list[UUID]
    suspended: int
    agreement_state: str
    agreement_over: bool
    running_jobs: str
    agreement_protocol: str


_ACTIVE = f"""
    WITH agreed AS (
        SELECT version.agreement_id, version.state, version.not_after, version.terms, version.protocol
        FROM training_job AS job JOIN agreements_agreementversion AS version ON version.id = job.agreement_id
        WHERE job.id = %(job)s
    ), suspended AS (
        SELECT organisation_id FROM agreements_suspension
        WHERE agreement_id = (SELECT agreement_id FROM agreed) AND lifted_at IS NULL
    )
    SELECT date_trunc('milliseconds', {NOW}),
           (SELECT count(*) FROM training_round
            WHERE job_id = %(job)s AND state = '{RoundState.OPEN.value}'),
           (SELECT count(*) FROM training_round WHERE job_id = %(job)s AND state = '{RoundState.CLOSED.value}'),
           ARRAY(SELECT member.silo_id
                 FROM training_cohortmember AS member
                 JOIN silos_silo AS silo ON silo.id = member.silo_id
                 JOIN consortia_participation AS part
                   ON part.organisation_id = silo.organisation_id AND part.consortium_id = %(consortium)s
                 WHERE member.job_id = %(job)s AND silo.state = '{SiloState.ACTIVE.value}'
                   AND part.state = '{ParticipationState.ACTIVE.value}'
                   AND silo.organisation_id NOT IN (SELECT organisation_id FROM suspended)
                 ORDER BY member.position),
           (SELECT count(*) FROM suspended),
           COALESCE(agreed.state, ''), COALESCE(agreed.not_after <= {NOW}, false),
           COALESCE(agreed.terms->'amendment'->>'running_jobs', 'stop'), COALESCE(agreed.protocol, '')
    FROM (VALUES (true)) AS once LEFT JOIN agreed ON true
"""  # noqa: S608 - states of ours


def progress_of(job: Job) -> JobProgress:
    """Where a job stands."""
    return JobProgress(*database.fetch(_ACTIVE, {"job": job.id, "consortium": job.consortium_id})[0])


@dataclass(frozen=True)
class IssuedOrder:
    """A signed order for one silo, not yet kept."""

    order_id: UUID
    silo_id: UUID
    number: int
    envelope: bytes
    brings_model: bool
    inputs_size_bytes: int


_OPEN_ROUND = f"""
    INSERT INTO training_round (id, job_id, number, attempt, state, reason_code, base_version_id, opened_at)
    VALUES (%(round)s, %(job)s, %(number)s, %(attempt)s, '{RoundState.OPEN.value}', '', %(version)s, %(opened_at)s)
"""  # noqa: S608 - a state of ours
_OPEN_STEP = f"""
    WITH step AS (
        INSERT INTO training_step
            (round_id, position, kind, state, quorum, below_quorum, expected, opened_at, deadline_at, wait, usual_s,
             grace_min_s)
        VALUES (%(round)s, %(position)s, %(kind)s, '{StepState.COLLECTING.value}', %(quorum)s, %(below_quorum)s,
                cardinality(%(orders)s::uuid[]), %(opened_at)s, %(deadline_at)s, %(wait)s, %(usual_s)s::float8,
                %(grace_min_s)s)
        RETURNING id
    )
    INSERT INTO training_order
        (id, job_id, step_id, base_version_id, silo_id, kind, number, state, code, message, envelope, issued_at,
         expires_at, awaited, inputs_size_bytes)
    SELECT one.id, %(job)s, step.id, CASE WHEN one.brings_model THEN %(version)s::uuid END, one.silo_id, %(kind)s,
           one.number, '{OrderState.ISSUED.value}', '', '', one.envelope, %(opened_at)s, %(expires_at)s,
           one.silo_id = ANY(%(awaited)s::uuid[]), one.inputs_size_bytes
    FROM step, unnest(%(orders)s::uuid[], %(silos)s::uuid[], %(numbers)s::bigint[], %(envelopes)s::bytea[],
                      %(brings_model)s::boolean[], %(inputs_size_bytes)s::bigint[])
        AS one (id, silo_id, number, envelope, brings_model, inputs_size_bytes)
"""  # noqa: S608 - states of ours


def open_round(round_: Round) -> None:
    """Keep a new round. Its first step follows in the same transaction."""
    database.fetch(
        _OPEN_ROUND,
        {
            "round": round_.id,
            "job": round_.job_id,
            "number": round_.number,
            "attempt": round_.attempt,
            "version": round_.base_version_id,
            "opened_at": round_.opened_at,
        },
    )
    round_._state.adding = False


def open_step(
    *,
    round_: Round,
    position: int,
    plan: StepPlan,
    quorum: int,
    deadlines: StepDeadlines,
    patience: Patience,
    orders: Sequence[IssuedOrder],
) -> None:
    """Keep a new step of an open round, and its orders."""
    database.fetch(
        _OPEN_STEP,
        {
            "round": round_.id,
            "job": round_.job_id,
            "version": round_.base_version_id,
            "position": position,
            "kind": plan.kind,
            "quorum": quorum,
            "below_quorum": plan.below_quorum.value,
            "opened_at": deadlines.opened_at,
            "deadline_at": deadlines.deadline_at,
            "expires_at": deadlines.expires_at,
            "wait": patience.wait,
            "usual_s": patience.usual_s,
            "grace_min_s": patience.grace_min_s,
            "awaited": list(patience.awaited),
            "orders": [order.order_id for order in orders],
            "silos": [order.silo_id for order in orders],
            "numbers": [order.number for order in orders],
            "envelopes": [order.envelope for order in orders],
            "brings_model": [order.brings_model for order in orders],
            "inputs_size_bytes": [order.inputs_size_bytes for order in orders],
        },
    )


_COUNTED = f"""
    SELECT own.silo_id
    FROM training_order AS own
    JOIN training_step AS step ON step.id = own.step_id
    JOIN training_round AS round ON round.id = step.round_id
    JOIN training_cohortmember AS member ON member.job_id = round.job_id AND member.silo_id = own.silo_id
    WHERE step.round_id = %(round)s AND step.position = %(position)s AND own.state = '{OrderState.APPLIED.value}'
    ORDER BY member.position
"""  # noqa: S608 - a state of ours


def silos_that_counted(round_id: UUID, position: int) -> list[UUID]:
    """The silos whose answers in this step of a round have counted: a later step asks no others."""
    return [silo_id for (silo_id,) in database.fetch(_COUNTED, {"round": round_id, "position": position})]
