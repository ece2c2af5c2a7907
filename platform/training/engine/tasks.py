"""The workers' doors. Arguments are ids; the rows are the truth, a message is only a nudge."""

from uuid import UUID

from celery import Task, shared_task
from django.db import InterfaceError, OperationalError, connections

from audit import chaining, checkpoints
from audit.actors import System
from training import dispatch as names
from training.engine import closing, issuing, passports, recall_orders, rounds, start
from training.engine import sweep as sweeping
from training.engine.kinds import audit_checkpoint

WORKER = System("worker")
SWEEP = System("sweep")


class Door(Task):  # type: ignore[type-arg,unused-ignore]
    """A task that lets go of a database connection which broke: workers keep theirs between tasks."""

    def on_failure(self, exc: BaseException, *_: object) -> None:
        """The row is as it was, and the sweep will nudge again."""
        if isinstance(exc, OperationalError | InterfaceError):
            connections.close_all()


@shared_task(base=Door, name=names.START_JOB)
def start_job(job_id: str) -> None:
    """Start a queued job."""
    start.start(job_id=UUID(job_id), by=WORKER)


@shared_task(base=Door, name=names.OPEN_ROUND)
def open_round(job_id: str) -> None:
    """Open the next round of a job that has none."""
    rounds.reopen(job_id=UUID(job_id), by=WORKER)


@shared_task(base=Door, name=names.CLOSE_STEP)
def close_step(step_id: int) -> None:
    """Close a step that is due."""
    closing.close_step(step_id=step_id, by=WORKER)


@shared_task(base=Door, name="training.tasks.sweep")
def sweep() -> None:
    """Call back what nobody can answer, nudge what is due, chain the events of the record."""
    recall_orders.call_back(by=SWEEP)
    sweeping.nudge(by=SWEEP)
    sweeping.note_silent_silos(by=SWEEP)
    chaining.chain_new()


@shared_task(base=Door, name="training.tasks.tidy")
def tidy() -> None:
    """Delete what has served; sign passports; have the heads of the record's chains signed by us and by the silos.

    In this order, so that the first head after a job's end has its passports too.
    """
    sweeping.tidy(by=SWEEP)
    audit_checkpoint.tidy()
    passports.issue_missing(issuing.signing_key())
    chaining.chain_new()
    checkpoints.sign_heads(issuing.signing_key())
    audit_checkpoint.issue_orders(issuing.signing_key())
