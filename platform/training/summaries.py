"""What pages tell of many rounds at once, counted by the database."""

from __future__ import annotations

from django.db.models import Count, Max, Q, QuerySet, Sum

from audit.models import Event
from registry.models import ModelVersion
from training.models import Job, Round
from training.transitions import OUTSTANDING


def round_summaries(job: Job) -> QuerySet[Round]:
    """The rounds of a job, newest first, each with `kind`, `expected`, `answered` and `bytes_up`."""
    return (
        Round.objects.filter(job=job)
        .select_related("base_version")
        .annotate(
            kind=Max("steps__kind"),
            expected=Max("steps__expected"),
            answered=Count("steps__orders", filter=~Q(steps__orders__state__in=OUTSTANDING)),
            bytes_up=Sum("steps__orders__submission__payload_size_bytes", default=0),
        )
        .order_by("-opened_at")
    )


def judged_versions(job: Job, count: int) -> list[ModelVersion]:
    """The newest versions of the job's model that were evaluated over the silos, newest first."""
    if job.model_id is None or job.task != Job.Task.TRAIN:
        return []
    versions = ModelVersion.objects.filter(model=job.model_id).exclude(metrics={})
    return list(versions.order_by("-round_number")[:count])


def newest_events(job: Job, count: int) -> list[Event]:
    """What happened last."""
    return list(Event.objects.filter(job_id=job.id).order_by("-id")[:count])
