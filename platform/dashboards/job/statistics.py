"""What a job of statistics has released: a page of the job, and a file to take away."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from dashboards.exports import attachment
from dashboards.job.views import frame_of
from dashboards.statistics import drawn_columns
from federation.tasks import task_of
from rest.errors import NotFound
from training.models import ReleasedStatistics
from training.permissions import access_job
from training.reading.statistics import column_rows, csv_of, released_by


@require_safe
@login_required
def page(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The figures over all silos, a chart and a table a column; that there are none yet while the job runs."""
    user = signed_in(request)
    job = access_job(user, job_id)
    if not task_of(job.task).releases_statistics:
        raise NotFound.of("statistics")
    released = released_by(job)
    columns = () if released is None else column_rows(released)
    context = {"tab": "statistics", "released": released, "columns": columns, "drawn": drawn_columns(columns)}
    return render(request, "dashboards/job/statistics.html", {**frame_of(job, user), **context})


@require_safe
@login_required
def as_csv(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """A line for each figure."""
    job = access_job(signed_in(request), job_id)
    released: ReleasedStatistics | None = released_by(job)
    if released is None:
        raise NotFound.of("statistics")
    name = f"{slugify(job.name)[:60] or 'statistics'}-{str(job.id)[:8]}"
    return attachment(csv_of(released), "text/csv; charset=utf-8", name, "csv")
