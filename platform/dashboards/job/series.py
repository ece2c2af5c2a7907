"""What the figures of a job are drawn from: rows of numbers, read in a few statements however long the job is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Aggregate, F, FloatField, Max, Min, Q, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Extract

from dashboards.charts import thinned
from federation.targets import Metric, Target
from registry.models import ModelVersion
from training.models import Evaluation, Job, Order, Round
from training.transitions import RoundState

VERSIONS_DRAWN = 200
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
class VersionRow:
    """How the model after a round does, over all silos and at each that may tell."""

    round_number: int
    figures: Mapping[str, float | None]
    """Over all silos, by the names of the target's metrics."""
    is_best: bool
    by_silo: dict[UUID, SiloScore]
    spread: Spread | None = None


@dataclass(frozen=True)
class Spread:
    """The highest, the middle and the lowest of what the silos of a large cohort tell."""

    figures: Mapping[str, tuple[float | None, float | None, float | None]]
    """By the names of the target's metrics."""


@dataclass(frozen=True)
class SiloScore:
    """One silo's figures; None where they could point at somebody."""

    figures: Mapping[str, float | None]
    """By the names of the target's metrics."""


@dataclass(frozen=True)
class WorkRow:
    """What one silo did in one round."""

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
class TurnRow:
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
    seats = job.seats.order_by("silo__organisation__name", "silo__name")
    columns = ("silo_id", "silo__name", "silo__organisation__name", "silo__palette", "dataset__rows_coarse")
    return tuple(Member(*row) for row in seats.values_list(*columns))


def versions_of(
    job: Job, limit: int = VERSIONS_DRAWN, *, silos_of_best: bool = False, spread: bool = False
) -> tuple[VersionRow, ...]:
    """The judged versions of the job's model in their order; of very many, evenly many, with the best among them.

    With `silos_of_best`, the silos' own figures are read of the best version alone; with `spread` as well, and of the
    others how far apart they lie.
    """
    if job.model_id is None or job.task != Job.Task.TRAIN:
        return ()
    judged = list(
        ModelVersion.objects.filter(model=job.model_id)
        .exclude(metrics={})
        .order_by("round_number")
        .values_list("id", "round_number", "metrics", "is_best")
    )
    places = sorted({*thinned(len(judged), limit), *(place for place, row in enumerate(judged) if row[3])})
    kept = [judged[place] for place in places]
    scores = _scores(job, [row[0] for row in kept if row[3] or not (silos_of_best or spread)])
    spreads = _spreads(job, [row[0] for row in kept]) if spread else {}
    return tuple(
        VersionRow(number, metrics, is_best, scores.get(version, {}), spreads.get(version))
        for version, number, metrics, is_best in kept
    )


class _Median(Aggregate):
    """PostgreSQL's, between the middle two of an even number."""

    function = "PERCENTILE_CONT"
    template = "%(function)s(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = FloatField()


def _spreads(job: Job, versions: Sequence[UUID]) -> dict[UUID, Spread]:
    measures = [metric.name for metric in metrics_of(job)]
    told = {
        f"{measure}_{name}": judge(Cast(KeyTextTransform(measure, "figures"), FloatField()))
        for measure in measures
        for name, judge in (("high", Max), ("middle", _Median), ("low", Min))
    }
    rows = _evaluations(job, versions).filter(rows__gte=_minimum_cell(job)).values("version_id").annotate(**told)
    return {version: Spread(_by_threes(measures, found)) for version, *found in rows.values_list("version_id", *told)}


def _by_threes(
    measures: Sequence[str], found: Sequence[float | None]
) -> dict[str, tuple[float | None, float | None, float | None]]:
    """Highest, middle and lowest of each measure, as they follow one another."""
    parts = zip(found[0::3], found[1::3], found[2::3], strict=True)
    return dict(zip(measures, parts, strict=True))


def metrics_of(job: Job) -> tuple[Metric, ...]:
    """The metrics of the job's model that there are over all silos, in the order in which pages show them."""
    return job.model.target_kind.pooled_metrics() if job.model is not None else ()


def target_of_job(job: Job) -> Target:
    """What its model is asked for; before there is one, what the data that it is for hold."""
    if job.model is not None:
        return job.model.target_kind
    return job.seats.select_related("dataset").order_by("position")[0].dataset.target_kind


def _minimum_cell(job: Job) -> int:
    return int(job.request["limits"]["minimum_cell"])


def _evaluations(job: Job, versions: Sequence[UUID]) -> QuerySet[Evaluation]:
    return Evaluation.objects.filter(version__in=versions, order__step__round__job=job).order_by()


def _scores(job: Job, versions: Sequence[UUID]) -> dict[UUID, dict[UUID, SiloScore]]:
    minimum_cell = _minimum_cell(job)
    found: dict[UUID, dict[UUID, SiloScore]] = {}
    for version, silo, count, figures in _evaluations(job, versions).values_list(
        "version_id", "silo_id", "rows", "figures"
    ):
        found.setdefault(version, {})[silo] = SiloScore({} if count < minimum_cell else figures)
    return found


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


def turns_of(job: Job, rounds: Iterable[int]) -> tuple[TurnRow, ...]:
    """How far every silo came with these rounds."""
    rows = _orders(job, rounds).values_list("silo_id", "step__round__number", "step__round__attempt", "state", "code")
    return tuple(TurnRow(*row) for row in rows)


def _orders(job: Job, rounds: Iterable[int]) -> QuerySet[Order]:
    """By their steps: of a silo's orders in a round, the last tells how far it came."""
    return Order.objects.filter(step__round__job=job, step__round__number__in=list(rounds)).order_by("step__position")


def traffic_of(job: Job, rounds: Iterable[int]) -> tuple[Traffic, ...]:
    """What these rounds moved, added up by the database."""
    sums = (
        _orders(job, rounds)
        .order_by()
        .values_list("step__round__number")
        .annotate(
            down=Sum("base_version__size_bytes", filter=Q(delivered_at__isnull=False)),
            up=Sum("submission__payload_size_bytes"),
        )
    )
    return tuple(sorted((Traffic(number, int(down or 0), int(up or 0)) for number, down, up in sums), key=_round_of))


def _round_of(traffic: Traffic) -> int:
    return traffic.round_number


def closed_rounds(times: Iterable[RoundTimes]) -> tuple[RoundTimes, ...]:
    """Those that came to their end."""
    return tuple(one for one in times if one.state == RoundState.CLOSED)
