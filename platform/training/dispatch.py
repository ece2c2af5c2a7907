"""Nudges to the workers, sent when the present transaction commits. A lost one is made good by the sweep.

What is nudged and waits in its queue is not nudged again: a worker that is late finds one message a row, not one for
each sweep. The mark for it is taken off before the row is read, so that what changes later has a message of its own.
"""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from redis import RedisError

log = logging.getLogger(__name__)
START_JOB = "training.tasks.start_job"
CLOSE_STEP = "training.tasks.close_step"
OPEN_ROUND = "training.tasks.open_round"
PUT_OFF_MAX_S = 600.0
"""Longer than this a message is not put off: the broker would hand it out again (`visibility_timeout`). The sweep sees
to the rest."""
EXPIRES_S = 60.0
"""What has waited for so long in a queue is dropped by the worker: the sweep has sent another. Much longer than clocks
of two machines may differ."""
AGAIN_AFTER_S = 10
"""After so long a row is nudged again whose first message may have been lost."""
DUTY_WAITS_PERIODS = 5
"""So many periods a duty of the housekeeping may wait for those before it, before it is sent again: a worker that was
killed has taken its message along, and the broker gives that back only after its `visibility_timeout`."""
_MARGIN_S = 0.02
"""A worker that comes too early finds nothing to do."""


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


def send_duty(task: str) -> None:
    """One duty of the housekeeping, unless the last message of it still waits behind one that takes long."""
    waits_s = DUTY_WAITS_PERIODS * settings.HOUSEKEEPING_EVERY_S
    if not cache.add(_mark(task, ""), 1, waits_s):
        return
    try:
        current_app.send_task(task, retry=False, expires=waits_s)
    except Exception:
        begun(task, "")  # nothing waits: the next housekeeping sends it, and not only the one after the mark is gone
        raise


def begun(task: str, row_id: str) -> None:
    """A worker begins with a row: what is nudged from now on is a message of its own."""
    try:
        cache.delete(_mark(task, row_id))
    except (RedisError, OSError) as error:
        log.warning("a nudge stays marked for %d s: %s", AGAIN_AFTER_S, error)


def _on_commit(task: str, row_id: UUID | int, in_s: float = 0.0) -> None:
    def send() -> None:
        # a message that is put off says nothing of now
        if in_s or cache.add(_mark(task, str(row_id)), 1, AGAIN_AFTER_S):
            countdown = in_s + _MARGIN_S if in_s else None
            argument = row_id if isinstance(row_id, int) else str(row_id)
            current_app.send_task(task, args=[argument], retry=False, countdown=countdown, expires=in_s + EXPIRES_S)

    # robust: a broker that is away must not undo or fail what the database has
    transaction.on_commit(send, robust=True)


def _mark(task: str, row_id: str) -> str:
    return f"nudged:{task}:{row_id}"
