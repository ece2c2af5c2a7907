"""The sweep: whatever should have moved and has not is nudged again. It decides nothing by itself."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, Value
from django.db.models.functions import Now

from audit.actions import record
from audit.actors import Actor
from silos.models import Silo
from training import dispatch
from training.engine import stepless, steps
from training.engine.sql import waiting
from training.models import Job, Round
from training.transitions import JobState, RoundState


def nudge(*, by: Actor) -> dict[str, int]:
    """Nudge jobs that wait to start, steps that are due or whose worker is gone, jobs without a round.

    Orders of no step end here once their time is over: nothing else waits for them.
    """
    steps.pause_stalled(by=by)
    stepless.expire(by=by)
    waiting_jobs = Job.objects.filter(state=JobState.QUEUED).exclude(start_claimed_until__gt=Now())
    queued = list(waiting_jobs.values_list("id", flat=True))
    due = waiting.due_steps()
    idle = list(
        Job.objects.filter(state=JobState.RUNNING)
        .exclude(id__in=Round.objects.filter(state=RoundState.OPEN).values("job"))
        .values_list("id", flat=True)
    )
    with transaction.atomic():
        for job_id in queued:
            dispatch.start_job(job_id)
        for step_id in due:
            dispatch.close_step(step_id)
        for job_id in idle:
            dispatch.open_round(job_id)
    return {"queued": len(queued), "due": len(due), "idle": len(idle)}


def note_silent_silos(*, by: Actor) -> int:
    """Records, once, that a silo has not been heard of for a while."""
    silent_after = Value(timedelta(seconds=settings.SILO_SILENT_AFTER_S))
    limit = ExpressionWrapper(Now() - silent_after, output_field=DateTimeField())
    silent = Silo.objects.filter(state=Silo.State.ACTIVE, silent_since=None, last_seen_at__lt=limit)
    count = 0
    for silo in silent:
        with transaction.atomic():
            if Silo.objects.filter(id=silo.id, silent_since=None).update(silent_since=silo.last_seen_at):
                record(by=by, verb="silo.silent", subject=silo, organisation_id=silo.organisation_id)
                count += 1
    return count
