"""How the versions of a job's model do: their figures over all silos and at each, read in a few statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Aggregate, FloatField, Max, Min, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from dashboards.charts import thinned
from federation.targets import Metric, Target
from federation.tasks import task_of
from registry.models import ModelVersion
from training.models import Evaluation, Job

VERSIONS_DRAWN = 200


@dataclass(frozen=True)
class VersionRow:
    """How the model after a round does, over all silos and at each that may disclose it."""

    round_number: int
    figures: Mapping[str, float | None]
    """Over all silos, by the names of the target's metrics."""
    is_best: bool
    by_silo: dict[UUID, SiloScore]
    spread: Spread | None = None


@dataclass(frozen=True)
class Spread:
    """The highest, the middle and the lowest of what the silos of a large cohort report."""

    figures: Mapping[str, tuple[float | None, float | None, float | None]]
    """By the names of the target's metrics."""


@dataclass(frozen=True)
class SiloScore:
    """One silo's figures; None where they could point at somebody."""

    figures: Mapping[str, float | None]
    """By the names of the target's metrics."""


def versions_of(
    job: Job, limit: int = VERSIONS_DRAWN, *, silos_of_best: bool = False, spread: bool = False
) -> tuple[VersionRow, ...]:
    """The evaluated versions of the job's model in their order; of very many, evenly many, with the best among them.

    With `silos_of_best`, the silos' own figures are read of the best version alone; with `spread` as well, and of the
    others how far apart they lie.
    """
    if job.model_id is None or not task_of(job.task).trains:
        return ()
    checked = list(
        ModelVersion.objects.filter(model=job.model_id)
        .exclude(metrics={})
        .order_by("round_number")
        .values_list("id", "round_number", "metrics", "is_best")
    )
    places = sorted({*thinned(len(checked), limit), *(place for place, row in enumerate(checked) if row[3])})
    kept = [checked[place] for place in places]
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
    by_name = {
        f"{measure}_{name}": judge(Cast(KeyTextTransform(measure, "figures"), FloatField()))
        for measure in measures
        for name, judge in (("high", Max), ("middle", _Median), ("low", Min))
    }
    rows = _evaluations(job, versions).filter(rows__gte=_minimum_cell(job)).values("version_id").annotate(**by_name)
    return {
        version: Spread(_by_threes(measures, found)) for version, *found in rows.values_list("version_id", *by_name)
    }


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
    return job.cohort_members.select_related("dataset").order_by("position")[0].dataset.target_kind


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
