"""What the engine does for each protection mode: one module each, found by looking.

To add one, add a file with a ``PROTOCOL``. Launch stands below the engine and asks here which modes are carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

from federation.discovery import Offers
from federation.protection import MODES, Mode
from federation.tasks import task_of
from training.models import Job
from training.protocols.base import RoundProtocol, StepPlan

PROTOCOLS: Mapping[str, RoundProtocol] = Offers(
    __name__, "PROTOCOL", name=attrgetter("mode"), sort_key=attrgetter("mode")
)


def carried_out() -> list[Mode]:
    """The modes that a job may ask for here, in the order in which they are listed."""
    return [mode for name, mode in MODES.items() if name in PROTOCOLS]


def protocol_of(job: Job) -> RoundProtocol:
    """The protocol of a job's rounds."""
    return PROTOCOLS[job.request["protection"]["mode"]]


def work_of(job: Job, round_number: int) -> str | None:
    """What the silos do in a round of a job: its task, and in the last round what the task closes with.

    None beyond the last round.
    """
    if round_number > job.rounds_planned + 1:
        return None
    task = task_of(job.task)
    if task.closes_with is not None and round_number > job.rounds_planned:
        return task.closes_with
    return task.order_kind


def steps_of(job: Job, round_number: int) -> tuple[StepPlan, ...]:
    """The steps of a round of a job; none beyond the last round. Raises ValueError where one before the last opens."""
    work = work_of(job, round_number)
    if work is None:
        return ()
    plans = protocol_of(job).steps(work)
    if any(plan.opens_with is not None for plan in plans[:-1]):
        # the round could still be abandoned, with its version made already; and its end would not name that version
        raise ValueError(f"Only the last step of a round makes a version: {[plan.kind for plan in plans]}.")
    return plans
