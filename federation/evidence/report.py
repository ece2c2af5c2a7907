"""What comes of checking a bundle: faults with a place and a code, and how much there was to check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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


@dataclass
class Report:
    """What was found: faults, and how much was checked."""

    faults: list[Fault] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    platform_key: str = ""
    agreement: str = ""
    members: dict[str, str] = field(default_factory=dict)
    """The organisations that the agreement names, and the fingerprints of the keys with which they signed it."""
    manifest: str = ""
    job_id: str = ""
    models: dict[str, int] = field(default_factory=dict)
    """The round after which each model that was sent out stood, by its digest."""
    passports: dict[str, Passport] = field(default_factory=dict)
    """What the platform says of weights, by their digest, where that fits what else is here."""

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def guarded(where: str, report: Report, work: Callable[[], T]) -> T | None:
    """What the work comes to, or None with its fault in the report."""
    try:
        return work()
    except FederationError as error:
        report.faults.append(Fault(where, error.code, error.message))
        return None
