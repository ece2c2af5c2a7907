"""Nudges to the workers, sent when the present transaction commits. A lost one is made good by the sweep."""

from uuid import UUID

from celery import current_app
from django.db import transaction

START_JOB = "training.tasks.start_job"
CLOSE_STEP = "training.tasks.close_step"
OPEN_ROUND = "training.tasks.open_round"


def start_job(job_id: UUID) -> None:
    """A job is queued."""
    _on_commit(START_JOB, job_id)


def open_round(job_id: UUID) -> None:
    """A running job has no round open."""
    _on_commit(OPEN_ROUND, job_id)


def close_step(round_id: UUID) -> None:
    """Everybody has answered, or the deadline has passed."""
    _on_commit(CLOSE_STEP, round_id)


def _on_commit(task: str, row_id: UUID) -> None:
    def send() -> None:
        current_app.send_task(task, args=[str(row_id)], retry=False)

    # robust: a broker that is away must not undo or fail what the database has
    transaction.on_commit(send, robust=True)
