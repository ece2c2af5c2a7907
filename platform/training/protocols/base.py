"""What a protocol is: the steps of a round, each with its quorum, its deadline, and what happens below the quorum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from federation.protocol.documents import OrderKind
from training.waiting import Below


@dataclass(frozen=True)
class StepPlan:
    """One step of a round, as its protocol names it.

    The first step asks the cohort; a later one asks the silos whose answers in the step before have counted.
    """

    kind: OrderKind
    below: Below = Below.ABANDON
    quorum: int | None = None
    """How many answers it needs; None for the job's quorum."""
    deadline_s: float | None = None
    """How many seconds it is answered; None for the job's `round_deadline_s`."""
    waits_for_all: bool = False
    """Whether it waits for everybody until the deadline, whatever the job's `wait` says."""


class RoundProtocol(Protocol):
    """A protection mode, as the rounds of a job go under it. One module a mode."""

    mode: str
    """What a job's request says at `protection.mode`."""

    def steps(self, work: OrderKind) -> tuple[StepPlan, ...]:
        """The steps of a round in which silos train, evaluate, or count: at least one, in their order."""
        ...
