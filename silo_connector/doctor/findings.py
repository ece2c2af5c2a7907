"""What a check finds, and how a list of findings is shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """How bad it is. What could not be looked at from here is skipped, not passed."""

    OK = "ok"
    SKIP = "skip"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    check: str
    state: State
    detail: str
    remedy: str = ""


def ok(check: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(check, State.OK, detail)


def skip(check: str, detail: str) -> Finding:
    """It can't be seen from here."""
    return Finding(check, State.SKIP, detail)


def warn(check: str, detail: str, remedy: str) -> Finding:
    """It works, but."""
    return Finding(check, State.WARN, detail, remedy)


def fail(check: str, detail: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, State.FAIL, detail, remedy)


def as_table(findings: Iterable[Finding]) -> str:
    """Lines for a terminal: state, check, detail; below it what to do."""
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.state:<5} {finding.check:<14} {finding.detail}")
        if finding.remedy:
            lines.append(f"{'':<21}-> {finding.remedy}")
    return "\n".join(lines)


def as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """The same for machines."""
    return [asdict(finding) for finding in findings]
