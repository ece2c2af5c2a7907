"""The sweep: whatever should have moved and has not is nudged again. It decides nothing by itself."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from artefacts import store
from audit.actions import record
from audit.actors import Actor
from registry.actions import is_referenced, prune
from registry.models import Model
from silos.models import RequestNonce, Silo
from training import dispatch
from training.actions.states import tell
from training.models import Job, Order, Round, Submission
from training.transitions import IN_PROGRESS, OUTSTANDING, JobState, RoundState

ABANDONED_FILES_S = 7 * 86400.0
UPDATES_KEPT_ROUNDS = 1


def nudge(*, by: Actor) -> dict[str, int]:
    """Nudge jobs that wait to start, rounds that are due or whose worker is gone, jobs without a round."""
    del by
    now = timezone.now()
    queued = list(Job.objects.filter(state=JobState.QUEUED).values_list("id", flat=True))
    waiting = Order.objects.filter(state__in=OUTSTANDING).values("step__round")
    due = list(
        Round.objects.filter(
            Q(state=RoundState.COLLECTING) & (Q(steps__deadline_at__lte=now) | ~Q(id__in=waiting))
            | Q(state=RoundState.AGGREGATING, lease_until__lt=now)
        )
        .distinct()
        .values_list("id", flat=True)
    )
    idle = list(
        Job.objects.filter(state=JobState.RUNNING)
        .exclude(id__in=Round.objects.filter(state__in=IN_PROGRESS).values("job"))
        .values_list("id", flat=True)
    )
    with transaction.atomic():
        for job_id in queued:
            dispatch.start_job(job_id)
        for round_id in due:
            dispatch.close_step(round_id)
        for job_id in idle:
            dispatch.open_round(job_id)
    return {"queued": len(queued), "due": len(due), "idle": len(idle)}


def note_silent_silos(*, by: Actor) -> int:
    """Write down, once, that a silo has not been heard of for a while."""
    limit = timezone.now() - timedelta(seconds=settings.SILO_SILENT_AFTER_S)
    silent = Silo.objects.filter(state=Silo.State.ACTIVE, silent_since=None, last_seen_at__lt=limit)
    count = 0
    for silo in silent:
        with transaction.atomic():
            if Silo.objects.filter(id=silo.id, silent_since=None).update(silent_since=silo.last_seen_at):
                record(by=by, verb="silo.silent", subject=silo, organisation_id=silo.organisation_id)
                count += 1
    return count


def tidy(*, by: Actor) -> None:
    """Delete what has served: old nonces, unfinished files, updates of closed rounds, pruned versions."""
    RequestNonce.objects.filter(expires_at__lt=timezone.now()).delete()
    store.remove_abandoned(ABANDONED_FILES_S)
    for digest in store.digests_older_than(ABANDONED_FILES_S):
        if not is_needed(digest):  # it was put here for a row that never came
            store.remove(digest)
    delete_updates(by=by)
    for model in Model.objects.filter(versions__pruned_at=None).distinct():
        prune(model=model, by=by)


def delete_updates(*, by: Actor) -> int:
    """Delete stored updates of rounds that another round of the job has followed (DESIGN, 5.6). The audit tells it."""
    over = Round.objects.filter(state__in=[RoundState.CLOSED, RoundState.ABANDONED], updates_deleted_at=None)
    count = 0
    for round_ in over.select_related("job"):
        later = round_.job.rounds.filter(opened_at__gt=round_.opened_at, closed_at__isnull=False).count()
        if later < UPDATES_KEPT_ROUNDS and round_.job.ended_at is None:
            continue
        digests = list(
            Submission.objects.filter(order__step__round=round_)
            .exclude(payload_digest="")
            .values_list("payload_digest", flat=True)
        )
        with transaction.atomic():
            if not Round.objects.filter(id=round_.id, updates_deleted_at=None).update(
                updates_deleted_at=timezone.now()
            ):
                continue
            if digests:
                tell(
                    job=round_.job,
                    verb="round.updates_deleted",
                    by=by,
                    detail={"round": round_.number, "updates": len(digests)},
                )
        for digest in digests:
            if not is_needed(digest):
                store.remove(digest)
        count += len(digests)
    return count


def is_needed(digest: str) -> bool:
    """Whether a round whose updates are still kept, or a model version, has these bytes."""
    return (
        is_referenced(digest)
        or Submission.objects.filter(payload_digest=digest, order__step__round__updates_deleted_at=None).exists()
    )
