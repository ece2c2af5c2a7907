"""Pages: pausing, resuming and cancelling a job; asked first, then done."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from accounts.access import signed_in
from accounts.permissions import Permission
from rest.pages import flash_result
from training.engine import control
from training.models import Job
from training.permissions import access_job
from training.transitions import JOB, JobState

CONTROLS: dict[str, tuple[Callable[..., Job], JobState, str, str, str]] = {
    "pause": (
        control.pause,
        JobState.PAUSED,
        _("Pause this job?"),
        _("No further round is opened. A round that is open goes on to its end and counts."),
        _("Pause it"),
    ),
    "resume": (
        control.resume,
        JobState.RUNNING,
        _("Resume this job?"),
        _("It goes on from where it stands."),
        _("Resume it"),
    ),
    "cancel": (
        control.cancel,
        JobState.CANCELLED,
        _("Cancel this job?"),
        _("It ends now: open orders are called back. Model versions made so far stay. This can't be undone."),
        _("Cancel it"),
    ),
}


@login_required
def steer(request: HttpRequest, job_id: UUID, action: str) -> HttpResponse:
    """Ask first, then pause, resume or cancel."""
    user = signed_in(request)
    wanted = access_job(user, job_id, Permission.JOB_CONTROL)
    act, to, question, consequence, yes = CONTROLS[action]
    back = reverse("job", args=[wanted.id])
    if request.method == "POST":
        with flash_result(request, gettext("The job is %(state)s.") % {"state": to.label}):
            act(job=wanted, by=user)
        return redirect(back)
    context = {
        "question": gettext(question),
        "consequence": f"“{wanted.name}”: {gettext(consequence)}",
        "yes": gettext(yes),
        "back": back,
    }
    return render(request, "_components/confirm.html", context)


def controls_for(job: Job) -> list[str]:
    """What can be done to the job now by the one who may: names of `CONTROLS`."""
    possible = JOB[JobState(job.state)]
    names = [name for name, known in CONTROLS.items() if known[1] in possible]
    return [name for name in names if name != "resume"] if job.state == JobState.QUEUED else names
