"""What a job gained by not waiting for every silo, and what it lost by it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from dashboards.job.series import Member, RoundTimes, WorkRow
from training.transitions import OrderState, RoundState
from training.waiting import LEFT_OUT, SILENT, CloseReason

_EARLY = frozenset({CloseReason.QUORUM, CloseReason.GRACE, CloseReason.SILENT})


@dataclass(frozen=True)
class Loss:
    """A silo that rounds closed without."""

    member: Member
    rounds: int
    late: int
    """Of these, how many answers came all the same, too late to count."""
    silent: int
    """Of these, in how many the silo was not heard of."""


@dataclass(frozen=True)
class Waited:
    """Rounds that closed without a silo, the time that this saved, and whose work did not count."""

    rounds: int
    saved_s: float
    losses: tuple[Loss, ...]


def waited(times: Sequence[RoundTimes], work: Sequence[WorkRow], members: Sequence[Member]) -> Waited:
    """Compare with waiting for all: until the last late answer, or until the deadline where one never came."""
    missed: dict[tuple[int, int], list[WorkRow]] = {}
    for row in work:
        if row.code in (LEFT_OUT, SILENT):
            missed.setdefault((row.round_number, row.attempt), []).append(row)
    early = [one for one in times if one.close_reason in _EARLY and one.state == RoundState.CLOSED]
    saved_s = sum(_saved_s(one, missed.get((one.number, one.attempt), [])) for one in early)
    mine: dict[UUID, list[WorkRow]] = {}
    for row in (row for rows in missed.values() for row in rows):
        mine.setdefault(row.silo_id, []).append(row)
    losses = tuple(_loss(member, mine[member.silo_id]) for member in members if member.silo_id in mine)
    return Waited(len(early), saved_s, losses)


def _loss(member: Member, rows: Sequence[WorkRow]) -> Loss:
    late = sum(row.state == OrderState.LATE for row in rows)
    return Loss(member, len(rows), late, sum(row.code == SILENT for row in rows))


def _saved_s(one: RoundTimes, missed: Sequence[WorkRow]) -> float:
    if one.collected_at is None or one.deadline_at is None:
        return 0.0
    answers: list[datetime] = [row.answered_at for row in missed if row.answered_at is not None]
    until = max(answers) if answers and len(answers) == len(missed) else one.deadline_at
    return max(0.0, (min(until, one.deadline_at) - one.collected_at).total_seconds())
