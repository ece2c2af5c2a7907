"""Rounds whose updates have served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from live import database
from training.transitions import RoundState


@dataclass(frozen=True)
class Served:
    """A round whose updates are not wanted any more, and their digests."""

    round_id: UUID
    number: int
    job_id: UUID
    consortium_id: UUID
    digests: list[str]


_SERVED = f"""
    SELECT round.id, round.number, job.id, job.consortium_id,
           ARRAY(SELECT submission.payload_digest
                 FROM training_step AS step
                 JOIN training_order AS own ON own.step_id = step.id
                 JOIN training_submission AS submission ON submission.order_id = own.id
                 WHERE step.round_id = round.id AND submission.payload_digest <> '')
    FROM training_round AS round
    JOIN training_job AS job ON job.id = round.job_id
    LEFT JOIN agreements_agreementversion AS agreement ON agreement.id = job.agreement_id
    WHERE round.updates_deleted_at IS NULL
      AND round.state IN ('{RoundState.CLOSED.value}', '{RoundState.ABANDONED.value}')
      AND (job.ended_at IS NOT NULL
           OR (SELECT count(*) FROM training_round AS later
               WHERE later.job_id = job.id AND later.opened_at > round.opened_at AND later.closed_at IS NOT NULL)
              >= COALESCE((agreement.terms #>> '{{retention,updates_rounds}}')::integer, %(kept)s))
    ORDER BY round.opened_at, round.id
    LIMIT %(limit)s
"""  # noqa: S608 - states of ours


def served(rounds_kept: int, *, limit: int) -> list[Served]:
    """Rounds that are over and have been followed by so many others, or by their job's end; oldest first.

    How many others, the agreement of the job says; `rounds_kept` counts where there is none.
    """
    return [Served(*row) for row in database.fetch(_SERVED, {"kept": rounds_kept, "limit": limit})]


_NOTE = """
    UPDATE training_round SET updates_deleted_at = %(now)s
    WHERE id = ANY(%(rounds)s) AND updates_deleted_at IS NULL
    RETURNING id
"""


def note_updates_deleted(round_ids: Sequence[UUID]) -> set[UUID]:
    """Mark these rounds; those of them that nobody else had marked."""
    return {row[0] for row in database.fetch(_NOTE, {"now": timezone.now(), "rounds": list(round_ids)})}
