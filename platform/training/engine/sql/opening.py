"""A round as it is opened: where its job stands, who is asked, and the rows that follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from consortia.transitions import ParticipationState
from live import database
from silos.transitions import SiloState
from training.engine.sql.waiting import Patience
from training.models import Job, Round
from training.sql_literals import listed
from training.transitions import IN_PROGRESS, OrderState, RoundState


@dataclass(frozen=True)
class Standing:
    """How far a job has come, and the silos that can be asked now: active, of organisations that still take part.

    Those whose organisation has suspended the job's agreement are not asked; `agreement_state` is empty without one.
    """

    rounds_open: int
    rounds_closed: int
    silo_ids: list[UUID]
    suspended: int
    agreement_state: str
    agreement_over: bool
    running_jobs: str


_STANDING = f"""
    WITH agreed AS (
        SELECT version.agreement_id, version.state, version.not_after, version.terms
        FROM training_job AS job JOIN agreements_agreementversion AS version ON version.id = job.agreement_id
        WHERE job.id = %(job)s
    ), suspended AS (
        SELECT organisation_id FROM agreements_suspension
        WHERE agreement_id = (SELECT agreement_id FROM agreed) AND lifted_at IS NULL
    )
    SELECT (SELECT count(*) FROM training_round WHERE job_id = %(job)s AND state IN ({listed(IN_PROGRESS)})),
           (SELECT count(*) FROM training_round WHERE job_id = %(job)s AND state = '{RoundState.CLOSED.value}'),
           ARRAY(SELECT seat.silo_id
                 FROM training_cohortseat AS seat
                 JOIN silos_silo AS silo ON silo.id = seat.silo_id
                 JOIN consortia_participation AS part
                   ON part.organisation_id = silo.organisation_id AND part.consortium_id = %(consortium)s
                 WHERE seat.job_id = %(job)s AND silo.state = '{SiloState.ACTIVE.value}'
                   AND part.state = '{ParticipationState.ACTIVE.value}'
                   AND silo.organisation_id NOT IN (SELECT organisation_id FROM suspended)
                 ORDER BY seat.position),
           (SELECT count(*) FROM suspended),
           COALESCE(agreed.state, ''), COALESCE(agreed.not_after <= now(), false),
           COALESCE(agreed.terms->'changes'->>'running_jobs', 'stop')
    FROM (VALUES (true)) AS once LEFT JOIN agreed ON true
"""  # noqa: S608 - states of ours


def standing(job: Job) -> Standing:
    """Where a job stands."""
    return Standing(*database.fetch(_STANDING, {"job": job.id, "consortium": job.consortium_id})[0])


@dataclass(frozen=True)
class IssuedOrder:
    """A signed order for one silo, not yet kept."""

    order_id: UUID
    silo_id: UUID
    number: int
    envelope: bytes


_OPEN = f"""
    WITH round AS (
        INSERT INTO training_round
            (id, job_id, number, attempt, state, reason_code, base_version_id, opened_at, claims)
        VALUES (%(round)s, %(job)s, %(number)s, %(attempt)s, '{RoundState.COLLECTING.value}', '', %(version)s,
                %(opened_at)s, 0)
    ), step AS (
        INSERT INTO training_step
            (round_id, position, kind, quorum, expected, deadline_at, wait, usual_s, grace_min_s)
        VALUES (%(round)s, 1, %(kind)s, %(quorum)s, cardinality(%(orders)s::uuid[]), %(deadline_at)s, %(wait)s,
                %(usual_s)s::float8, %(grace_min_s)s)
        RETURNING id
    )
    INSERT INTO training_order
        (id, step_id, silo_id, kind, number, state, code, message, envelope, issued_at, expires_at,
         awaited)
    SELECT one.id, step.id, one.silo_id, %(kind)s, one.number, '{OrderState.ISSUED.value}', '', '', one.envelope,
           %(opened_at)s, %(expires_at)s, one.silo_id = ANY(%(awaited)s::uuid[])
    FROM step, unnest(%(orders)s::uuid[], %(silos)s::uuid[], %(numbers)s::bigint[], %(envelopes)s::bytea[])
        AS one (id, silo_id, number, envelope)
"""  # noqa: S608 - states of ours


def open_round(
    round_: Round,
    *,
    kind: str,
    quorum: int,
    deadline_at: datetime,
    expires_at: datetime,
    patience: Patience,
    orders: Sequence[IssuedOrder],
) -> None:
    """Keep a new round, its step and its orders."""
    database.fetch(
        _OPEN,
        {
            "round": round_.id,
            "job": round_.job_id,
            "number": round_.number,
            "attempt": round_.attempt,
            "version": round_.base_version_id,
            "opened_at": round_.opened_at,
            "kind": kind,
            "quorum": quorum,
            "deadline_at": deadline_at,
            "expires_at": expires_at,
            "wait": patience.wait,
            "usual_s": patience.usual_s,
            "grace_min_s": patience.grace_min_s,
            "awaited": list(patience.awaited),
            "orders": [order.order_id for order in orders],
            "silos": [order.silo_id for order in orders],
            "numbers": [order.number for order in orders],
            "envelopes": [order.envelope for order in orders],
        },
    )
    round_._state.adding = False
