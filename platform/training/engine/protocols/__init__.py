"""The protection modes: one module each. `docs/architecture` tells how one is added."""

from __future__ import annotations

from federation.protocol.documents import OrderKind
from training.engine.protocols.base import RoundProtocol, StepPlan
from training.engine.protocols.clear import Clear
from training.models import Job

PROTOCOLS: dict[str, RoundProtocol] = {one.mode: one for one in (Clear(),)}


def protocol_of(job: Job) -> RoundProtocol:
    """The protocol of a job's rounds."""
    return PROTOCOLS[job.request["protection"]["mode"]]


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
