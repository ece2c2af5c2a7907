"""What a protocol is: the steps of a round, each with its quorum, its deadline, and what happens below the quorum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from federation.aggregation.combine import Combiner
from federation.protocol.documents import UPDATE
from federation.protocol.documents.protection import Protection
from federation.strategies import Strategy
from training.protocols.answers import Answer
from training.waiting import BelowQuorum


@dataclass(frozen=True)
class Opening:
    """All that the updates of a round are opened with, once the last step that this needs is over."""

    strategy: Strategy
    protection: Protection
    steps: Sequence[Sequence[Answer]]
    """The answers that count of each step of the round so far, in the order of the silos' ids."""

    @property
    def updates(self) -> Sequence[Answer]:
        """Those that brought an update: of the newest step in which any did."""
        found = ([one for one in answers if UPDATE in one.payloads] for answers in reversed(self.steps))
        return next((updates for updates in found if updates), [])


OpensWith = Callable[[Opening], Combiner]
"""Gives what makes one update of the round's. Raises FederationErrors for which the round is abandoned."""


@dataclass(frozen=True)
class StepPlan:
    """One step of a round, as its protocol names it.

    The first step asks the cohort; a later one asks the silos whose answers in the step before have counted.
    """

    kind: str
    below_quorum: BelowQuorum = BelowQuorum.ABANDON
    quorum: int | None = None
    """How many answers it needs; None for the job's quorum."""
    deadline_s: float | None = None
    """How many seconds it is answered; None for the job's `round_deadline_s`."""
    waits_for_all: bool = False
    """Whether it waits for everybody until the deadline, whatever the job's `wait` says."""
    payload_kinds: frozenset[str] = frozenset()
    """The kinds of payload that its answers bring, besides those of the task (``federation.tasks``) and the update."""
    opens_with: OpensWith | None = None
    """How the round's updates become the next version of the model when this step is closed: the last of its round,
    whether they came in it or before. None where it makes no version. A round in which no updates came makes none
    either way."""


class RoundProtocol(Protocol):
    """A protection mode, as the rounds of a job go under it. One module a mode."""

    mode: str
    """What a job's request says at `protection.mode`."""

    def steps(self, work: str) -> tuple[StepPlan, ...]:
        """The steps of a round in which silos train, evaluate, or count: at least one, in their order."""
        ...
