"""Steering a job: pause, resume, cancel."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from audit.actors import Actor
from audit.reasons import Reason
from rest.errors import Conflict
from training import dispatch
from training.engine import stepless
from training.engine.rounds import abandon_open_round
from training.models import Job
from training.states import move
from training.transitions import JobState


def pause(*, job: Job, by: Actor) -> Job:
    """Open no further round; a round that is open goes on to its end and counts."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(id=job.id)
        why = Reason("job.paused_by_request", {"who": by.actor_name})
        move(job=job, to=JobState.PAUSED, by=by, why=why)
    return job


def resume(*, job: Job, by: Actor) -> Job:
    """Go on from where the job stands."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(id=job.id)
        if job.state != JobState.PAUSED:  # a queued job becomes running too, but by its start
            raise Conflict(
                "job.wrong_state", _("A job that is %(now)s can't be resumed.") % {"now": JobState(job.state).label}
            )
        move(job=job, to=JobState.RUNNING, by=by)
        dispatch.open_round(job.id)
    return job


def cancel(*, job: Job, by: Actor) -> Job:
    """End the job now: its open orders are called back, versions made so far stay."""
    with transaction.atomic():
        job = Job.objects.select_for_update().get(id=job.id)
        why = Reason("job.cancelled_by_request", {"who": by.actor_name})
        move(job=job, to=JobState.CANCELLED, by=by, why=why)
        abandon_open_round(job=job, by=by, code="job.cancelled")
        stepless.call_back(job=job, by=by, code="job.cancelled")
    return job
