"""Rounds whose updates have served, and versions of models that are kept no longer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from realtime import database
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
           ARRAY(SELECT payload.digest
                 FROM training_step AS step
                 JOIN training_order AS own ON own.step_id = step.id
                 JOIN training_payload AS payload ON payload.order_id = own.id
                 WHERE step.round_id = round.id)
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


def rounds_with_deletable_updates(rounds_kept: int, *, limit: int) -> list[Served]:
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


_NEEDED = f"""
       EXISTS (SELECT FROM training_job AS trying
               WHERE trying.evaluated_version_id = version.id AND trying.ended_at IS NULL)
    OR EXISTS (SELECT FROM training_round AS round
               WHERE round.base_version_id = version.id AND round.state = '{RoundState.OPEN.value}')
    OR EXISTS (SELECT FROM registry_releaseconfirmation AS pin WHERE pin.version_id = version.id)
"""  # noqa: S608 - states of ours
_PRUNABLE = f"""
    SELECT version.model_id, array_agg(version.id ORDER BY version.round_number)
    FROM (
        SELECT id, model_id, round_number, is_best, pruned_at,
               row_number() OVER (PARTITION BY model_id ORDER BY round_number DESC) AS place
        FROM registry_modelversion
        WHERE model_id IN (
            SELECT model_id FROM registry_modelversion
            WHERE pruned_at IS NULL AND NOT is_best AND round_number > 0
            GROUP BY model_id HAVING count(*) >= %(kept)s)
    ) AS version
    WHERE version.place > %(kept)s AND version.pruned_at IS NULL AND NOT version.is_best AND version.round_number > 0
      AND NOT ({_NEEDED})
    GROUP BY version.model_id ORDER BY version.model_id
"""  # noqa: S608 - states of ours


def prunable_versions(kept: int) -> list[tuple[UUID, list[UUID]]]:
    """By model, versions that are neither the best, nor the first, nor among so many newest, nor needed.

    Needed is what an unfinished evaluation tries, what an open round starts from, and what a member let go.
    """
    return [(model, list(versions)) for model, versions in database.fetch(_PRUNABLE, {"kept": kept})]


_NEEDED_OF = f"SELECT version.id FROM registry_modelversion AS version WHERE version.id = ANY(%(ids)s) AND ({_NEEDED})"  # noqa: S608


def needed_versions(version_ids: Collection[UUID]) -> set[UUID]:
    """Those of these versions that are needed."""
    return {row[0] for row in database.fetch(_NEEDED_OF, {"ids": list(version_ids)})}
