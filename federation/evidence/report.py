"""What comes of checking a bundle: faults and limits with a place and a code, and how much there was to check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from federation.errors import FederationError
from federation.evidence.passports import Passport

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """Something that does not hold: where, a stable code, and what is wrong."""

    where: str
    code: str
    what: str


class Verdict(Enum):
    """What checking a bundle comes to, with the status that a program ends with."""

    HOLDS = 0
    """Everything holds: the job is over, all of it is here, and enough silos have countersigned the log of it."""
    FAILS = 1
    """Something does not hold."""
    LIMITED = 3
    """Nothing is wrong, and less is bound than could be: the limits say what."""


@dataclass
class Report:
    """What was found: faults, what the bundle does not bind, and how much was checked."""

    faults: list[Fault] = field(default_factory=list)
    limits: list[Fault] = field(default_factory=list)
    """What nothing contradicts, and nothing in the bundle proves either."""
    checked: dict[str, int] = field(default_factory=dict)
    platform_key: str = ""
    agreement: str = ""
    members: dict[str, str] = field(default_factory=dict)
    """The organisations that the agreement names, and the fingerprints of the keys with which they signed it."""
    manifest: str = ""
    job_id: str = ""
    ended: str = ""
    """How the job ended, by its events: ``completed``, ``failed`` or ``cancelled``; empty where that isn't known."""
    released: tuple[str, ...] = ()
    """The columns of which statistics were released, each with what was reported of it."""
    models: dict[str, int] = field(default_factory=dict)
    """The round after which each model that was sent out stood, by its digest."""
    passports: dict[str, Passport] = field(default_factory=dict)
    """What the platform says of weights, by their digest, where that fits what else is here."""

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong, and nothing is left open."""
        return self.verdict is Verdict.HOLDS

    @property
    def verdict(self) -> Verdict:
        """What it comes to."""
        if self.faults:
            return Verdict.FAILS
        return Verdict.LIMITED if self.limits else Verdict.HOLDS


def run_check(where: str, report: Report, work: Callable[[], T]) -> T | None:
    """What the work comes to, or None with its fault in the report."""
    try:
        return work()
    except FederationError as error:
        report.faults.append(Fault(where, error.code, error.message))
        return None
