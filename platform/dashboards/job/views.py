"""Pages of one job: overview, rounds, silos, configuration, events. Thin: rows in, a template out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import condition, require_safe

from accounts.access import signed_in
from accounts.models import User
from accounts.permissions import Permission
from audit.models import Event
from consortia.permissions import may
from consortia.selectors import permissions_of
from dashboards.charts import Chart
from dashboards.job import figures, series, version_series
from dashboards.job.participation import participation
from dashboards.job.report import answers
from dashboards.job.series import Member
from dashboards.job.version_series import VersionRow
from federation.protection import mode_of
from federation.tasks import task_of
from plans.selectors import plan_with
from rest.errors import NotFound
from training.launch.agreed_defaults import clear_reason_of
from training.launch.purpose_fields import purpose_rows
from training.models import Job
from training.permissions import access_job
from training.reading import round_summaries, selectors
from training.reading.absences import absences_in
from training.reading.control_views import controls_for
from training.reading.rows import MetricsRow, RoundRow
from training.transitions import ENDED

PAGE_SIZE = 50
EVENTS_SHOWN = 12
ROUNDS_ATTENDED = 40
CELLS_MAX = 1000
"""Of the table of who took part: of large cohorts fewer rounds are shown."""
_EVERYDAY = ("order.submitted", "passport.issued", "round.opened", "round.updates_deleted")
"""Events that every round has: they stand on the page of all events, not among the last few."""


@require_safe
@never_cache
@login_required
def overview(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Where a job stands, how the model does, who takes part, what happened last."""
    user = signed_in(request)
    job = access_job(user, job_id)
    newest = Event.objects.filter(job_id=job.id).order_by("-id").values_list("id", flat=True).first() or 0
    members = series.members_of(job)
    context = {
        **_status(job, user, members),
        "tab": "overview",
        "charts": overview_charts(job, members),
        "newest_event_id": newest,
    }
    return render(request, "dashboards/job/overview.html", context)


@require_safe
@never_cache
@login_required
def live(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The part of the overview which moves, without its charts: nothing is sent where nothing has moved."""
    user = signed_in(request)
    job = access_job(user, job_id)

    def answer(request: HttpRequest) -> HttpResponse:
        return render(request, "dashboards/job/live.html", _status(job, user, series.members_of(job)))

    return _unless_known(request, round_summaries.page_etag(job), answer)


@require_safe
@login_required
def charts(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The overview's charts as JSON, for a page that is open: nothing is sent where there is nothing new to draw."""
    job = access_job(signed_in(request), job_id)
    newest = round_summaries.newest_events(job, 1, besides=_EVERYDAY)

    def answer(request: HttpRequest) -> HttpResponse:
        del request
        by_name = {
            chart.key: {"figure": chart.figure, "headings": chart.headings, "rows": chart.rows_as_read}
            for chart in overview_charts(job, series.members_of(job))
        }
        return JsonResponse(by_name, headers={"Cache-Control": "private, no-cache"})

    return _unless_known(request, f"{job.id}-{newest[0].id if newest else 0}", answer)


def _unless_known(request: HttpRequest, mark: str, answer: Callable[[HttpRequest], HttpResponse]) -> HttpResponse:
    """304 for who has the answer of this mark already."""
    return condition(etag_func=lambda _: f'"{mark}"')(answer)(request)


@require_safe
@login_required
def rounds(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """All rounds of a job, and how long their parts took."""
    user = signed_in(request)
    job = access_job(user, job_id)
    page = Paginator(round_summaries.round_ids(job), PAGE_SIZE).get_page(request.GET.get("page"))
    times = series.round_times_of(job)
    moved = series.traffic_of(job, {one.number for one in times})
    context = {
        **frame_of(job, user),
        "tab": "rounds",
        "page": page,
        "rounds": round_summaries.round_summaries(job, page.object_list),
        "charts": [chart for chart in (figures.round_timeline(times), figures.traffic(moved)) if chart],
    }
    return render(request, "dashboards/job/rounds.html", context)


@require_safe
@login_required
def one_round(request: HttpRequest, job_id: UUID, number: int, attempt: int) -> HttpResponse:
    """One round: what each silo did, and how the model with which it began did there."""
    job = access_job(signed_in(request), job_id)
    found = selectors.rounds_of(job).filter(number=number, attempt=attempt).first()
    if found is None:
        raise NotFound.of("round")
    evaluated = selectors.evaluated_rounds_of(job).filter(id=found.id).first()
    context = {"job": job, "row": RoundRow(found), "metrics": MetricsRow(evaluated) if evaluated else None}
    return render(request, "training/round.html", context)


@require_safe
@login_required
def silos(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """What each silo's updates are like, and where its time goes."""
    user = signed_in(request)
    job = access_job(user, job_id)
    members = series.members_of(job)
    times = series.round_times_of(job, series.drawn(series.ROUNDS_DRAWN, members))
    work = series.work_of(job, {one.number for one in times})
    drawn = (
        figures.drift(work, members, "update_norm_l2"),
        figures.drift(work, members, "update_cosine"),
        figures.phases(work, members),
    )
    newest = times[-series.drawn(ROUNDS_ATTENDED, members, CELLS_MAX) :]
    context = {
        **frame_of(job, user),
        "tab": "silos",
        "charts": [chart for chart in drawn if chart],
        "attendance": participation(series.order_state_rows(job, {one.number for one in newest}), newest, members),
        "times": newest,
    }
    return render(request, "dashboards/job/silos.html", context)


@require_safe
@login_required
def configuration(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The job as it was launched."""
    user = signed_in(request)
    job = access_job(user, job_id)
    cohort_members = job.cohort_members.select_related("silo__organisation", "dataset").order_by("position")
    more = {
        "tab": "configuration",
        "cohort_members": cohort_members,
        "declared": purpose_rows(job.request.get("use")),
        "clear_reason": clear_reason_of(job.agreement)
        if mode_of(job.request["protection"]["mode"]).platform_reads_updates
        else "",
        "plan": plan_with(job.consortium, job.request.get("plan") or _code_digest(job)),
        "may_read_record": may(user, Permission.EVENT_VIEW, consortium=job.consortium),
    }
    return render(request, "dashboards/job/configuration.html", {**frame_of(job, user), **more})


def _code_digest(job: Job) -> str:
    """Of the training plan that computes the stored model of an evaluation."""
    return job.evaluated_version.model.code_digest if job.evaluated_version else ""


@require_safe
@login_required
def events(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Everything that happened in a job, with reasons."""
    user = signed_in(request)
    job = access_job(user, job_id)
    page = Paginator(Event.objects.filter(job_id=job.id).order_by("-id"), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "dashboards/job/events.html", {**frame_of(job, user), "tab": "events", "page": page})


@require_safe
@login_required
def report(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The job for paper: what it was, how it went, and the seven questions with this job's evidence."""
    user = signed_in(request)
    job = access_job(user, job_id)
    members, target = series.members_of(job), version_series.target_of_job(job)
    versions = _versions(job, members)
    times = series.round_times_of(job, series.drawn(series.ROUNDS_DRAWN, members))
    work = series.work_of(job, {one.number for one in times})
    drawn = (
        *figures.convergences(job, versions, members),
        figures.drift(work, members, "update_cosine"),
        figures.phases(work, members),
    )
    context = {
        **frame_of(job, user),
        "tab": "report",
        "answers": answers(
            job,
            versions=versions,
            members=members,
            times=times,
            work=work,
            traffic=series.traffic_of(job, {one.number for one in times}),
            target=target,
        ),
        "target": target,
        "charts": [chart for chart in drawn if chart],
        "best": next((row for row in versions if row.is_best), None),
        "members": members,
        "written_at": timezone.now(),
    }
    return render(request, "dashboards/job/report.html", context)


def overview_charts(job: Job, members: Sequence[Member]) -> list[Chart]:
    """How the model does by each of its metrics, over all silos and at each; empty until the first evaluation."""
    if not task_of(job.task).trains:
        return []
    versions = _versions(job, members)
    return figures.convergences(job, versions, members)


def _versions(job: Job, members: Sequence[Member]) -> tuple[VersionRow, ...]:
    limit = series.drawn(version_series.VERSIONS_DRAWN, members)
    return version_series.versions_of(job, limit, spread=series.is_large(members))


def frame_of(job: Job, user: User) -> dict[str, Any]:
    """What every page of a job shows around its own part."""
    allowed = permissions_of(user, consortium=job.consortium)
    return {
        "job": job,
        "controls": controls_for(job) if Permission.JOB_CONTROL in allowed else [],
        "may_launch": task_of(job.task).trains and Permission.JOB_LAUNCH in allowed,
        "ended": job.state in ENDED,
    }


def _status(job: Job, user: User, members: Sequence[Member]) -> dict[str, Any]:
    times = series.round_times_of(job, series.drawn(ROUNDS_ATTENDED, members, CELLS_MAX))
    numbers = {one.number for one in times}
    moved = series.traffic_of(job, numbers)
    reached = max((one.number for one in times), default=0)
    finished = [one.total_s for one in series.closed_rounds(times) if one.total_s is not None]
    return {
        **frame_of(job, user),
        "status": selectors.job_status(job),
        "absences": absences_in(job),
        "attendance": participation(series.order_state_rows(job, numbers), times, members),
        "times": times,
        "round_reached": min(reached, job.rounds_planned) if job.rounds_planned else reached,
        "mean_round_s": sum(finished) / len(finished) if finished else None,
        "bytes_up": sum(one.bytes_up for one in moved),
        "bytes_down": sum(one.bytes_down for one in moved),
        "rounds_counted": len(times),
        "events": round_summaries.newest_events(job, EVENTS_SHOWN, besides=_EVERYDAY),
    }
