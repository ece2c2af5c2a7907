"""The tasks of the workers. Arguments are ids; the rows are the truth, a message is only a nudge.

Housekeeping is a task for each duty: one that fails leaves the others their turn.
"""

import logging
from collections.abc import Callable
from uuid import UUID

from celery import Task, shared_task
from django.conf import settings

from audit import chaining
from audit.actors import System
from training import dispatch as names
from training.engine import closing, recall_orders, retiring, rounds, start
from training.engine import housekeeping as deletions
from training.engine import sweep as sweeping

log = logging.getLogger(__name__)
WORKER = System("worker")
SWEEP = System("sweep")


class Duty(Task):  # type: ignore[type-arg,unused-ignore]
    """A duty of the housekeeping: what waits of it in the queue is one message."""

    def before_start(self, *_: object) -> None:
        """From now on another one may be sent."""
        names.begun(str(self.name), "")


@shared_task(name=names.START_JOB)
def start_job(job_id: str) -> None:
    """Start a queued job."""
    names.begun(names.START_JOB, job_id)
    start.start(job_id=UUID(job_id), by=WORKER)


@shared_task(name=names.OPEN_ROUND)
def open_round(job_id: str) -> None:
    """Open the next round of a job that has none."""
    names.begun(names.OPEN_ROUND, job_id)
    rounds.reopen(job_id=UUID(job_id), by=WORKER)


@shared_task(name=names.CLOSE_STEP)
def close_step(step_id: int) -> None:
    """Close a step that is due."""
    names.begun(names.CLOSE_STEP, str(step_id))
    closing.close_step(step_id=step_id, by=WORKER)


@shared_task(name="training.tasks.sweep")
def sweep() -> None:
    """Call back what nobody can answer, nudge what is due, chain the events of the record: whatever one comes to.

    Raises what the first of them raised that failed.
    """
    duties: tuple[Callable[[], object], ...] = (
        lambda: recall_orders.call_back(by=SWEEP),
        lambda: sweeping.nudge(by=SWEEP),
        lambda: sweeping.note_silent_silos(by=SWEEP),
        chaining.chain_new,
    )
    failed: Exception | None = None
    for duty in duties:
        try:
            duty()
        except Exception as error:  # raised below, when the others have had their turn
            if failed is not None:
                log.error("another part of the sweep failed", exc_info=error)
            failed = failed or error
    if failed is not None:
        raise failed


@shared_task(name="training.tasks.housekeeping")
def housekeeping() -> None:
    """Send each duty, in an order in which the first head after a job's end has its passports too."""
    for name in settings.HOUSEKEEPING_DUTIES:
        names.send_duty(name)


@shared_task(base=Duty, name="training.tasks.delete_expired_data")
def delete_expired_data() -> None:
    """Delete nonces, uploads that nobody waits for, and updates that have served."""
    deletions.delete_expired_data(by=SWEEP)


@shared_task(name="training.tasks.delete_orphaned_files")
def delete_orphaned_files() -> None:
    """Delete unfinished files, and files that no row names."""
    deletions.delete_orphaned_files()


@shared_task(base=Duty, name="training.tasks.retire_models")
def retire_models() -> None:
    """Take models out of use as their agreement says."""
    retiring.retire_models(by=SWEEP)


@shared_task(base=Duty, name="training.tasks.prune_models")
def prune_models() -> None:
    """Delete the weights of old versions."""
    deletions.prune_models(by=SWEEP)
