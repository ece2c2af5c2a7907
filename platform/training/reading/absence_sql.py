"""Orders that brought a model nothing, grouped by silo, job, state and reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from realtime import database
from training.sql_literals import sql_literals
from training.transitions import MISSED


@dataclass(frozen=True)
class MissedOrders:
    """So many orders of a silo in a job that ended in one state, for one reason; the newest one's words."""

    silo_id: UUID
    job_id: UUID
    state: str
    code: str
    rounds: int
    last_round: int
    last_at: datetime
    message: str
    params: str | None


_MISSED = f"""
    SELECT own.silo_id, round.job_id, own.state, own.code, count(DISTINCT round.number), max(round.number),
           max(own.issued_at) AS last_at, (array_agg(own.message ORDER BY own.number DESC))[1],
           (array_agg(own.params ORDER BY own.number DESC))[1]
    FROM training_order AS own
    JOIN training_step AS step ON step.id = own.step_id
    JOIN training_round AS round ON round.id = step.round_id
    WHERE own.state IN ({sql_literals(MISSED)})
"""  # noqa: S608 - states of ours
_GROUPED = """
    GROUP BY own.silo_id, round.job_id, own.state, own.code
    ORDER BY last_at DESC, own.silo_id, own.state, own.code LIMIT %(limit)s
"""
_IN_JOB = f"{_MISSED} AND round.job_id = %(job)s AND round.number >= %(first)s {_GROUPED}"
_OF_USER = f"""
    {_MISSED} AND own.issued_at >= %(since)s AND own.silo_id IN (
        SELECT silo.id FROM silos_silo AS silo
        JOIN accounts_organisationrole AS role ON role.organisation_id = silo.organisation_id
        WHERE role.user_id = %(user)s
    ) {_GROUPED}
"""  # noqa: S608 - names of ours
_AT_SILO = f"{_MISSED} AND own.silo_id = %(silo)s AND own.issued_at >= %(since)s {_GROUPED}"


def missed_in(job_id: UUID, *, first_round: int, limit: int) -> list[MissedOrders]:
    """Of a job, from this round on; the newest first."""
    return [
        MissedOrders(*row) for row in database.fetch(_IN_JOB, {"job": job_id, "first": first_round, "limit": limit})
    ]


def missed_at(silo_id: UUID, *, since: datetime, limit: int) -> list[MissedOrders]:
    """Of this silo in any job, since this moment; the newest first."""
    given = {"silo": silo_id, "since": since, "limit": limit}
    return [MissedOrders(*row) for row in database.fetch(_AT_SILO, given)]


def missed_by_own(user_id: object, *, since: datetime, limit: int) -> list[MissedOrders]:
    """Of the silos of a person's own organisations, likewise."""
    given = {"user": user_id, "since": since, "limit": limit}
    return [MissedOrders(*row) for row in database.fetch(_OF_USER, given)]
