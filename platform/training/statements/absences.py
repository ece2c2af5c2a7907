"""Orders that brought a model nothing, grouped by silo, job, state and reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from live import database
from training.statements import listed
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


_MISSED = f"""
    SELECT own.silo_id, round.job_id, own.state, own.code, count(DISTINCT round.number), max(round.number),
           max(own.issued_at) AS last_at, (array_agg(own.message ORDER BY own.number DESC))[1]
    FROM training_order AS own
    JOIN training_step AS step ON step.id = own.step_id
    JOIN training_round AS round ON round.id = step.round_id
    WHERE own.state IN ({listed(MISSED)})
"""  # noqa: S608 - states of ours
_GROUPED = """
    GROUP BY own.silo_id, round.job_id, own.state, own.code
    ORDER BY last_at DESC, own.silo_id, own.state, own.code LIMIT %(limit)s
"""
_IN_JOB = f"{_MISSED} AND round.job_id = %(job)s AND round.number >= %(first)s {_GROUPED}"
_AT_SILOS = f"{_MISSED} AND own.silo_id = ANY(%(silos)s) AND own.issued_at >= %(since)s {_GROUPED}"


def missed_in(job_id: UUID, *, first_round: int, limit: int) -> list[MissedOrders]:
    """Of a job, from this round on; the newest first."""
    return [
        MissedOrders(*row) for row in database.fetch(_IN_JOB, {"job": job_id, "first": first_round, "limit": limit})
    ]


def missed_at(silo_ids: Sequence[UUID], *, since: datetime, limit: int) -> list[MissedOrders]:
    """Of these silos in any job, since this moment; the newest first."""
    given = {"silos": list(silo_ids), "since": since, "limit": limit}
    return [MissedOrders(*row) for row in database.fetch(_AT_SILOS, given)]
