"""The protection modes: one module each, found by looking. To add one, add a file with a ``PROTOCOL``."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

from federation.discovery import Offers
from federation.protocol.documents import OrderKind
from training.engine.protocols.base import RoundProtocol, StepPlan
from training.models import Job

PROTOCOLS: Mapping[str, RoundProtocol] = Offers(
    __name__, "PROTOCOL", name=attrgetter("mode"), sort_key=attrgetter("mode")
)


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
