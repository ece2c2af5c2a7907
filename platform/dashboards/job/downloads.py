"""A job's figures to take away: every silo in every round as CSV, everything together as JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from dashboards.exports import attachment, cell, plain
from dashboards.job import series
from rest.errors import BadRequest, Unprocessable
from training.models import Job, Order
from training.permissions import access_job

EVERYTHING = 10**6
LINES_MAX = 50_000
"""Lines of one download: a job of more is taken along in parts, by ranges of rounds."""
COLUMNS = (
    "round",
    "attempt",
    "kind",
    "silo_id",
    "silo",
    "organisation",
    "state",
    "code",
    "delivered_at",
    "answered_at",
    "update_norm_l2",
    "update_cosine_to_mean",
    "bytes_down",
    "bytes_up",
    "base_accuracy",
    "base_loss",
    "base_auc",
)


@require_safe
@login_required
def as_csv(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """A line for each silo in each round; `base_…` is how the model did with which the round began.

    `?first=…&last=…` names the rounds, where it is not all. Raises Unprocessable ``figures.too_many``.
    """
    job = access_job(signed_in(request), job_id)
    wanted = _rounds(request, job)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([cell(row[column]) for column in COLUMNS] for row in _lines(job, wanted))
    return _attachment(text.getvalue(), "text/csv; charset=utf-8", job, "csv")


@require_safe
@login_required
def as_json(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The job as launched, its rounds, its model's versions, and a row for each silo in each round, likewise."""
    job = access_job(signed_in(request), job_id)
    wanted = _rounds(request, job)
    told = {
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
        "rounds": [
            {
                "round": one.number,
                "attempt": one.attempt,
                "state": one.state,
                "opened_at": one.opened_at,
                "closed_at": one.closed_at,
                "collecting_s": one.collecting_s,
                "aggregating_s": one.aggregating_s,
                "update_norm_l2": one.update_norm_l2,
            }
            for one in series.round_times_of(job, EVERYTHING)
        ],
        "versions": [
            {"after_round": row.round_number, "accuracy": row.accuracy, "loss": row.loss, "best": row.is_best}
            for row in series.versions_of(job, EVERYTHING, silos_of_best=True)
        ],
        "work": _lines(job, wanted),
        "read_at": timezone.now(),
    }
    return _attachment(json.dumps(told, default=plain), "application/json", job, "json")


def _rounds(request: HttpRequest, job: Job) -> set[int]:
    """The rounds that are asked for, if their lines are not too many."""
    try:
        first, last = int(request.GET.get("first", 1)), int(request.GET.get("last", EVERYTHING))
    except ValueError:
        raise BadRequest("figures.rounds", "first and last are numbers of rounds, as in ?first=1&last=100.") from None
    asked = Order.objects.filter(step__round__job=job)
    wanted = {one.number for one in series.round_times_of(job, EVERYTHING) if first <= one.number <= last}
    lines = asked.filter(step__round__number__in=wanted).count()
    if lines > LINES_MAX:
        raise Unprocessable(
            "figures.too_many",
            f"These rounds have {lines} lines, and a file holds {LINES_MAX}. "
            f"Take them along in parts: add ?first=1&last={max(1, len(wanted) * LINES_MAX // lines)} to the address.",
        )
    return wanted


def _lines(job: Job, numbers: set[int]) -> list[dict[str, Any]]:
    members = {member.silo_id: member for member in series.members_of(job)}
    scores = {row.round_number: row.by_silo for row in series.versions_of(job, EVERYTHING)}
    order = {silo: place for place, silo in enumerate(sorted(members, key=str))}
    lines = []
    for row in sorted(
        series.work_of(job, numbers), key=lambda row: (row.round_number, row.attempt, order[row.silo_id])
    ):
        score = scores.get(row.round_number - 1, {}).get(row.silo_id)
        member = members[row.silo_id]
        lines.append(
            {
                "round": row.round_number,
                "attempt": row.attempt,
                "kind": row.kind,
                "silo_id": row.silo_id,
                "silo": member.name,
                "organisation": member.organisation,
                "state": row.state,
                "code": row.code,
                "delivered_at": row.delivered_at,
                "answered_at": row.answered_at,
                "update_norm_l2": row.update_norm_l2,
                "update_cosine_to_mean": row.update_cosine,
                "bytes_down": row.model_size_bytes if row.delivered_at else 0,
                "bytes_up": row.payload_size_bytes,
                "base_accuracy": score.accuracy if score else None,
                "base_loss": score.loss if score else None,
                "base_auc": score.auc if score else None,
                "phases_s": row.phases_s,
            }
        )
    return lines


def _attachment(text: str, content_type: str, job: Job, ending: str) -> HttpResponse:
    name = slugify(job.name)[:60] or "job"
    return attachment(text, content_type, f"{name}-{str(job.id)[:8]}", ending)
