"""Pages: pausing, resuming and cancelling a job; asked first, then done."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from accounts.access import signed_in
from accounts.permissions import Permission
from rest.pages import told
from training.actions import control
from training.models import Job
from training.permissions import access_job
from training.transitions import JOB, JobState

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


def controls_for(job: Job) -> list[str]:
    """What can be done to the job now by whoever may: names of `CONTROLS`."""
    possible = JOB[JobState(job.state)]
    names = [name for name, (_, to, _, _) in CONTROLS.items() if to in possible]
    return [name for name in names if name != "resume"] if job.state == JobState.QUEUED else names
