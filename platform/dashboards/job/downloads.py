"""A job's figures to take away: every silo in every round as CSV, everything together as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from dashboards.exports import StreamedText, plain
from dashboards.job import csv_export, series, version_series
from federation.targets import Target
from federation.targets.classification import ACCURACY, LOSS
from rest.errors import BadRequest, Unprocessable
from rest.figures import numbers_in
from training.models import Job
from training.permissions import access_job

EVERYTHING = 10**6
LINES_MAX = 50_000
"""Lines of one download: a job of more is taken along in parts, by ranges of rounds."""


@require_safe
@login_required
def as_csv(request: HttpRequest, job_id: UUID) -> StreamedText:
    """A line for each silo in each round; `base_…` is how the model did with which the round began.

    `?first=…&last=…` names the rounds, where it is not all. Raises Unprocessable ``figures.too_many``.
    """
    job = access_job(signed_in(request), job_id)
    parts = _parts(request, job)
    target = version_series.target_of_job(job)
    chunks = (partial(csv_export.csv_of, job, target, part) for part in parts)
    return _attachment((partial(str, csv_export.heading(target)), *chunks), "text/csv; charset=utf-8", job, "csv")


@require_safe
@login_required
def as_json(request: HttpRequest, job_id: UUID) -> StreamedText:
    """The job as launched, its rounds, its model's versions, and a row for each silo in each round, likewise."""
    job = access_job(signed_in(request), job_id)
    parts, target = _parts(request, job), version_series.target_of_job(job)
    by_name = {
        "job": {
            "id": str(job.id),
            "name": job.name,
            "state": job.state,
            "reason_code": job.reason_code,
            "request": job.request,
            "manifest_digest": job.manifest_digest,
            "created_at": job.created_at,
            "ended_at": job.ended_at,
        },
        "read_at": timezone.now(),
        "rounds": [
            {
                "round": one.number,
                "attempt": one.attempt,
                "state": one.state,
                "close_reason": one.close_reason,
                "opened_at": one.opened_at,
                "closed_at": one.closed_at,
                "collecting_s": one.collecting_s,
                "aggregating_s": one.aggregating_s,
                "update_norm_l2": one.update_norm_l2,
            }
            for one in series.round_times_of(job, EVERYTHING)
        ],
        "versions": [
            {"after_round": row.round_number, **_figures(target, row.figures), "best": row.is_best}
            for row in version_series.versions_of(job, EVERYTHING, silos_of_best=True)
        ],
    }
    opening = json.dumps(by_name, default=plain).removesuffix("}") + ', "work": [\n'
    chunks = (partial(csv_export.json_of, job, target, part, more=part is not parts[-1]) for part in parts)
    return _attachment((partial(str, opening), *chunks, partial(str, "\n]}\n")), "application/json", job, "json")


def _figures(target: Target, figures: Mapping[str, object]) -> dict[str, object]:
    """What there is over all silos, by name; those of classes as members of their own, too."""
    fields = (ACCURACY.name, LOSS.name) if target.has_classes else ()
    return {**{name: figures.get(name) for name in fields}, "figures": numbers_in(figures)}


def _parts(request: HttpRequest, job: Job) -> list[csv_export.Span]:
    """The rounds that are asked for, in parts to be read one after another, if their lines are not too many."""
    try:
        first, last = int(request.GET.get("first", 1)), int(request.GET.get("last", EVERYTHING))
    except ValueError:
        raise BadRequest("figures.rounds", "first and last are numbers of rounds, as in ?first=1&last=100.") from None
    counted = [(number, count) for number, count in csv_export.counts_of(job) if first <= number <= last]
    total = sum(count for _, count in counted)
    if total > LINES_MAX:
        raise Unprocessable(
            "figures.too_many",
            _(
                "These rounds have %(total)s lines, and a file holds %(most)s. Take them along in parts: add "
                "?first=1&last=%(last)s to the address."
            )
            % {"total": total, "most": LINES_MAX, "last": max(1, len(counted) * LINES_MAX // total)},
        )
    return csv_export.spans(counted)


def _attachment(parts: Iterable[Callable[[], str]], content_type: str, job: Job, ending: str) -> StreamedText:
    name = slugify(job.name)[:60] or "job"
    return StreamedText(parts, content_type, f"{name}-{str(job.id)[:8]}", ending)
