"""What the engine does for each protection mode: one module each, found by looking (`training.modes`).

To add one, add a file with a ``PROTOCOL``.
"""

from __future__ import annotations

from federation.protocol.documents import OrderKind
from training.engine.protocols.base import RoundProtocol, StepPlan
from training.models import Job
from training.modes import PROTOCOLS


def protocol_of(job: Job) -> RoundProtocol:
    """The protocol of a job's rounds."""
    found: RoundProtocol = PROTOCOLS[job.request["protection"]["mode"]]
    return found


def work_of(job: Job, round_number: int) -> OrderKind | None:
    """What the silos do in a round of a job: its task, and after the last training round an evaluation.

    None beyond the last round.
    """
    if round_number > job.rounds_planned + 1:
        return None
    if job.task == Job.Task.TRAIN and round_number > job.rounds_planned:
        return OrderKind.EVALUATE
    return OrderKind(job.task)


def steps_of(job: Job, round_number: int) -> tuple[StepPlan, ...]:
    """The steps of a round of a job; none beyond the last round."""
    work = work_of(job, round_number)
    return () if work is None else protocol_of(job).steps(work)
