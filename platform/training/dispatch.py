"""Nudges to the workers, sent when the present transaction commits. A lost one is made good by the sweep."""

from uuid import UUID

from celery import current_app
from django.db import transaction

START_JOB = "training.tasks.start_job"
CLOSE_STEP = "training.tasks.close_step"
OPEN_ROUND = "training.tasks.open_round"
PUT_OFF_MAX_S = 600.0
"""Longer than this a message is not put off: the broker would hand it out again (`visibility_timeout`). The sweep sees
to the rest."""
_MARGIN_S = 0.02
"""Whoever comes too early finds nothing to do."""


def start_job(job_id: UUID) -> None:
    """A job is queued."""
    _on_commit(START_JOB, job_id)


def open_round(job_id: UUID) -> None:
    """A running job has no round open."""
    _on_commit(OPEN_ROUND, job_id)


def close_step(step_id: int, *, in_s: float = 0.0) -> None:
    """The step takes no further answers from now on, or will take none in so many seconds, if nothing happens."""
    if in_s <= PUT_OFF_MAX_S:
        _on_commit(CLOSE_STEP, step_id, in_s)


def _on_commit(task: str, row_id: UUID | int, in_s: float = 0.0) -> None:
    countdown = in_s + _MARGIN_S if in_s else None

    def send() -> None:
        current_app.send_task(
            task, args=[row_id if isinstance(row_id, int) else str(row_id)], retry=False, countdown=countdown
        )

    # robust: a broker that is away must not undo or fail what the database has
    transaction.on_commit(send, robust=True)
