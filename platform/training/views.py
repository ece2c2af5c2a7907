"""Pages: jobs, as a list and one by one, with what moves in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.access import signed_in
from accounts.models import User
from accounts.permissions import Permission
from consortia.access import access_consortium
from consortia.permissions import may
from rest.errors import NotFound
from rest.pages import told
from training import selectors, summaries
from training.actions import control
from training.models import Job
from training.permissions import access_job
from training.rows import MetricsRow, RoundRow
from training.transitions import ENDED, JOB, JobState

PAGE_SIZE = 50
ROUNDS_SHOWN, VERSIONS_SHOWN, EVENTS_SHOWN = 25, 25, 25


@require_safe
@login_required
def jobs(request: HttpRequest) -> HttpResponse:
    """The jobs that one sees, or those of one consortium; newest first."""
    user = signed_in(request)
    wanted = request.GET.get("consortium")
    consortium = access_consortium(user, wanted) if wanted else None
    found = selectors.jobs_visible_to(user)
    if consortium is not None:
        found = found.filter(consortium=consortium)
    context = {
        "page": Paginator(found.order_by("-created_at"), PAGE_SIZE).get_page(request.GET.get("page")),
        "consortium": consortium,
        "query": f"consortium={consortium.id}&" if consortium else "",
        "may_launch": consortium is not None and may(user, Permission.JOB_LAUNCH, consortium=consortium),
    }
    return render(request, "training/jobs.html", context)


@require_safe
@never_cache
@login_required
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """A job: where it stands, what every silo does, how the model does, what happened."""
    user = signed_in(request)
    return render(request, "training/job.html", _context(access_job(user, job_id), user))


@require_safe
@never_cache
@login_required
def job_live(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The part of that page which moves, for whoever follows it."""
    user = signed_in(request)
    return render(request, "training/_live.html", _context(access_job(user, job_id), user))


@require_safe
@login_required
def job_rounds(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """All rounds of a job."""
    wanted = access_job(signed_in(request), job_id)
    page = Paginator(summaries.round_summaries(wanted), PAGE_SIZE).get_page(request.GET.get("page"))
    return render(request, "training/rounds.html", {"job": wanted, "page": page, "rounds": page})


@require_safe
@login_required
def job_round(request: HttpRequest, job_id: UUID, number: int, attempt: int) -> HttpResponse:
    """One round: what each silo did, and how the model with which it began did there."""
    wanted = access_job(signed_in(request), job_id)
    found = selectors.rounds_of(wanted).filter(number=number, attempt=attempt).first()
    if found is None:
        raise NotFound.of("round")
    evaluated = selectors.evaluated_rounds_of(wanted).filter(id=found.id).first()
    context = {
        "job": wanted,
        "row": RoundRow(found),
        "metrics": MetricsRow(evaluated) if evaluated else None,
    }
    return render(request, "training/round.html", context)


CONTROLS: dict[str, tuple[Callable[..., Job], JobState, str, str]] = {
    "pause": (
        control.pause,
        JobState.PAUSED,
        "Pause this job?",
        "No further round is opened. A round that is open goes on to its end and counts.",
    ),
    "resume": (control.resume, JobState.RUNNING, "Resume this job?", "It goes on from where it stands."),
    "cancel": (
        control.cancel,
        JobState.CANCELLED,
        "Cancel this job?",
        "It ends now: open orders are called back. Model versions made so far stay. This can't be undone.",
    ),
}


@login_required
def steer(request: HttpRequest, job_id: UUID, action: str) -> HttpResponse:
    """Ask first, then pause, resume or cancel."""
    user = signed_in(request)
    wanted = access_job(user, job_id, Permission.JOB_CONTROL)
    act, to, question, consequence = CONTROLS[action]
    back = reverse("job", args=[wanted.id])
    if request.method == "POST":
        with told(request, f"The job is {to.label}."):
            act(job=wanted, by=user)
        return redirect(back)
    context = {
        "question": question,
        "consequence": f"“{wanted.name}”: {consequence}",
        "yes": f"{action.capitalize()} it",
        "back": back,
    }
    return render(request, "_components/confirm.html", context)


def _context(job: Job, user: User) -> dict[str, Any]:
    possible = JOB[JobState(job.state)]
    may_steer = may(user, Permission.JOB_CONTROL, consortium=job.consortium)
    actions = [name for name, (_, to, _, _) in CONTROLS.items() if to in possible]
    if job.state == JobState.QUEUED:
        actions = [name for name in actions if name != "resume"]
    return {
        "job": job,
        "standing": selectors.standing_of(job),
        "rounds": summaries.round_summaries(job)[:ROUNDS_SHOWN],
        "versions": summaries.judged_versions(job, VERSIONS_SHOWN),
        "events": summaries.newest_events(job, EVENTS_SHOWN),
        "controls": actions if may_steer else [],
        "ended": job.state in ENDED,
    }
