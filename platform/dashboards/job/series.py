"""The cohort and the rounds of a job, as its figures are drawn from them: rows, read in a few statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import F, FloatField, Q, QuerySet, Sum
from django.db.models.functions import Cast, Coalesce, Extract

from training.models import Job, Order, Round
from training.transitions import RoundState

ROUNDS_DRAWN = 120
LINES_MAX = 12
ROWS_DRAWN = 2500
"""Rows of silos' figures that one page is drawn from at most: of large cohorts fewer rounds are shown."""


@dataclass(frozen=True)
class Member:
    """A silo of the cohort, as charts and tables name it."""

    silo_id: UUID
    name: str
    organisation: str
    palette: int
    rows_coarse: int = 0

    @property
    def series(self) -> int:
        """Which of the eight colours of the style sheet is its own."""
        return self.palette % 8


@dataclass(frozen=True)
class WorkRow:
    """What one silo did in one step of a round."""

    silo_id: UUID
    round_number: int
    attempt: int
    state: str
    code: str
    kind: str
    answered_at: datetime | None
    took_s: float | None
    update_norm_l2: float | None
    update_cosine: float | None
    phases_s: dict[str, float]


@dataclass(frozen=True)
class OrderStateRow:
    """How far one silo came with one round."""

    silo_id: UUID
    round_number: int
    attempt: int
    state: str
    code: str


@dataclass(frozen=True)
class RoundTimes:
    """How long the parts of a round took, in seconds; None for what has not ended."""

    number: int
    attempt: int
    state: str
    reason_code: str
    kind: str
    opened_at: datetime
    closed_at: datetime | None
    collecting_s: float | None
    aggregating_s: float | None
    update_norm_l2: float | None
    close_reason: str
    collected_at: datetime | None
    """When it took no further answers."""
    deadline_at: datetime | None

    @property
    def label(self) -> str:
        """Its number, and which attempt if not the first."""
        return str(self.number) if self.attempt == 1 else f"{self.number}.{self.attempt}"

    @property
    def total_s(self) -> float | None:
        """From its opening to its end."""
        return (self.closed_at - self.opened_at).total_seconds() if self.closed_at else None


@dataclass(frozen=True)
class Traffic:
    """Bytes of one round, over all its attempts and silos."""

    round_number: int
    bytes_down: int
    bytes_up: int


def drawn(most: int, members: Sequence[Member], rows: int = ROWS_DRAWN) -> int:
    """How many rounds or versions are drawn of a cohort: `most`, or as many as make so many rows of its silos."""
    return min(most, max(10, rows // max(1, len(members))))


def is_large(members: Sequence[Member]) -> bool:
    """Whether nobody can follow a line for each of them: their lowest, middle and highest are drawn instead."""
    return len(members) > LINES_MAX


def members_of(job: Job) -> tuple[Member, ...]:
    """The cohort by its silos' names."""
    cohort_members = job.cohort_members.order_by("silo__organisation__name", "silo__name")
    columns = ("silo_id", "silo__name", "silo__organisation__name", "silo__palette", "dataset__rows_coarse")
    return tuple(Member(*row) for row in cohort_members.values_list(*columns))


def round_times_of(job: Job, limit: int = ROUNDS_DRAWN) -> tuple[RoundTimes, ...]:
    """The newest rounds, every attempt, in their order."""
    rows = list(
        Round.objects.filter(job=job)
        .order_by("-opened_at")
        .annotate(
            collecting=Sum(Coalesce("steps__aggregating_at", "steps__closed_at") - F("steps__opened_at")),
            aggregating=Sum(F("steps__closed_at") - F("steps__aggregating_at")),
            kinds=_in_order("steps__kind"),
            collected=_in_order("steps__aggregating_at"),
            reasons=_in_order("steps__close_reason"),
            deadlines=_in_order("steps__deadline_at"),
        )
        .values_list(
            "number",
            "attempt",
            "state",
            "reason_code",
            "opened_at",
            "closed_at",
            "update_norm_l2",
            "collecting",
            "aggregating",
            "kinds",
            "collected",
            "reasons",
            "deadlines",
        )[:limit]
    )
    return tuple(
        RoundTimes(
            number=number,
            attempt=attempt,
            state=state,
            reason_code=code,
            kind=kinds[-1] or "",
            opened_at=opened_at,
            closed_at=closed_at,
            collecting_s=_seconds(collecting),
            aggregating_s=_seconds(aggregating),
            update_norm_l2=norm,
            close_reason=reasons[-1] or "",
            collected_at=collected[-1],
            deadline_at=deadlines[-1],
        )
        for (
            number,
            attempt,
            state,
            code,
            opened_at,
            closed_at,
            norm,
            collecting,
            aggregating,
            kinds,
            collected,
            reasons,
            deadlines,
        ) in reversed(rows)
    )


def _in_order(field: str) -> ArrayAgg:
    return ArrayAgg(field, order_by="steps__position")


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def work_of(job: Job, rounds: Iterable[int]) -> tuple[WorkRow, ...]:
    """What every silo did in these rounds; `took_s` is from handing the order over to the answer."""
    took = Extract(F("answered_at") - F("delivered_at"), "epoch")
    rows = _orders(job, rounds).values_list(
        "silo_id",
        "step__round__number",
        "step__round__attempt",
        "state",
        "code",
        "kind",
        "answered_at",
        Cast(took, FloatField()),
        "submission__update_norm_l2",
        "submission__update_cosine",
        "submission__phases_s",
    )
    return tuple(
        WorkRow(silo, number, attempt, state, code, kind, answered_at, took_s, norm, cosine, phases or {})
        for silo, number, attempt, state, code, kind, answered_at, took_s, norm, cosine, phases in rows
    )


def order_state_rows(job: Job, rounds: Iterable[int]) -> tuple[OrderStateRow, ...]:
    """How far every silo came with these rounds."""
    rows = _orders(job, rounds).values_list("silo_id", "step__round__number", "step__round__attempt", "state", "code")
    return tuple(OrderStateRow(*row) for row in rows)


def _orders(job: Job, rounds: Iterable[int]) -> QuerySet[Order]:
    """By their steps: of a silo's orders in a round, the last reports how far it came."""
    return Order.objects.filter(step__round__job=job, step__round__number__in=list(rounds)).order_by("step__position")


def traffic_of(job: Job, rounds: Iterable[int]) -> tuple[Traffic, ...]:
    """What these rounds moved, added up by the database."""
    sums = (
        _orders(job, rounds)
        .order_by()
        .values_list("step__round__number")
        .annotate(
            down=Sum(Coalesce("inputs_size_bytes", "base_version__size_bytes"), filter=Q(delivered_at__isnull=False)),
            up=Sum("submission__payload_size_bytes"),
        )
    )
    return tuple(sorted((Traffic(number, int(down or 0), int(up or 0)) for number, down, up in sums), key=_round_of))


def _round_of(traffic: Traffic) -> int:
    return traffic.round_number


def closed_rounds(times: Iterable[RoundTimes]) -> tuple[RoundTimes, ...]:
    """Those that came to their end."""
    return tuple(one for one in times if one.state == RoundState.CLOSED)
