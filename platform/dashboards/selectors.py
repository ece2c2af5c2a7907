"""What a person finds when they come in: their consortia as cards, and their jobs with how the models do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, IntegerField, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.models import User
from consortia.models import Consortium, Participation
from consortia.transitions import ParticipationState
from dashboards.charts import thinned
from federation.targets import Metric, target_of
from federation.tasks import task_of
from registry.models import ModelVersion
from rest.figures import figure_written
from silos.transitions import SiloState
from training.models import Job
from training.reading.selectors import jobs_visible_to
from training.transitions import ENDED

JOBS_SHOWN = 10
SPARK_POINTS = 60


def with_counts(consortia: QuerySet[Consortium]) -> QuerySet[Consortium]:
    """Each with `n_organisations`, `n_silos` (that may work), `n_online` of them, `n_datasets`, `n_jobs`,
    `n_running` and `n_models`: counted by subqueries, whatever their number."""
    active = Participation.objects.filter(consortium=OuterRef("pk"), state=ParticipationState.ACTIVE)
    usable = Q(organisation__silos__state=SiloState.ACTIVE)
    lately = timezone.now() - timedelta(seconds=settings.SILO_SILENT_AFTER_S)
    offered = usable & Q(organisation__silos__datasets__isnull=False, organisation__silos__datasets__withdrawn_at=None)
    jobs = Job.objects.filter(consortium=OuterRef("pk"))
    models = Consortium.objects.filter(pk=OuterRef("pk"))
    return consortia.annotate(
        n_organisations=_counted(active, "consortium", Count("pk")),
        n_silos=_counted(active, "consortium", Count("organisation__silos", filter=usable)),
        n_online=_counted(
            active,
            "consortium",
            Count("organisation__silos", filter=usable & Q(organisation__silos__last_seen_at__gte=lately)),
        ),
        n_datasets=_counted(active, "consortium", Count("organisation__silos__datasets", filter=offered)),
        n_jobs=_counted(jobs, "consortium", Count("pk")),
        n_running=_counted(jobs, "consortium", Count("pk", filter=~Q(state__in=ENDED))),
        n_models=_counted(models, "pk", Count("models")),
    )


def _counted(rows: QuerySet[Any], by: str, count: Count) -> Coalesce:
    found: QuerySet[Model, Any] = rows.order_by().values(by).annotate(n=count).values("n")
    return Coalesce(Subquery(found), 0, output_field=IntegerField())


@dataclass(frozen=True)
class JobRow:
    """A job, and how its model did after each round."""

    job: Job
    metric: Metric | None
    """The one that its target shows first; None while nothing is known of its model."""
    figures: tuple[float | None, ...]

    @property
    def written(self) -> str:
        """The newest that is known; empty where none is."""
        newest = next((value for value in reversed(self.figures) if value is not None), None)
        return "" if newest is None or self.metric is None else figure_written(self.metric, newest)


def jobs_for(user: User) -> list[JobRow]:
    """The jobs that are going on, then the newest of those that have ended."""
    visible = jobs_visible_to(user).order_by("-created_at")
    going = list(visible.exclude(state__in=ENDED)[:JOBS_SHOWN])
    return with_figures(going + list(visible.filter(state__in=ENDED)[: JOBS_SHOWN - len(going)]))


def with_figures(jobs: Sequence[Job]) -> list[JobRow]:
    """Each with its target's first metric of its model's versions, read in one statement; of many, evenly many."""
    trained = [job.model_id for job in jobs if job.model_id and task_of(job.task).trains]
    by_name: dict[UUID, list[float | None]] = defaultdict(list)
    metrics: dict[UUID, Metric] = {}
    checked = ModelVersion.objects.filter(model__in=trained).exclude(metrics={}).order_by("model", "round_number")
    for model_id, named, n_classes, figures in checked.values_list(
        "model_id", "model__target", "model__n_classes", "metrics"
    ):
        target = target_of(named or None, n_classes)
        metrics[model_id] = target.metric(target.primary)
        by_name[model_id].append(figures.get(target.primary))
    rows = []
    for job in jobs:
        values = by_name.get(job.model_id, []) if job.model_id and task_of(job.task).trains else []
        metric = metrics.get(job.model_id) if job.model_id and values else None
        rows.append(JobRow(job, metric, tuple(values[place] for place in thinned(len(values), SPARK_POINTS))))
    return rows
