"""The sweep: whatever should have moved and has not is nudged again. It decides nothing by itself."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from artefacts import store
from audit.actions import record
from audit.actors import Actor
from registry.actions import prune
from registry.models import Model
from registry.selectors import referenced
from silos.models import RequestNonce, Silo
from training import dispatch
from training.engine import retiring, steps
from training.engine.sql import housekeeping as statements
from training.engine.sql import uploads, waiting
from training.models import Job, Round, Submission, Upload
from training.states import record_job_event
from training.transitions import OUTSTANDING, JobState, RoundState

ABANDONED_FILES_S = 7 * 86400.0
UPDATES_KEPT_ROUNDS = 1
"""For jobs without an agreement; the others keep to their agreement's `retention.updates_rounds`."""
_ROUNDS_AT_ONCE = 200
_UPLOADS_AT_ONCE = 500


def nudge(*, by: Actor) -> dict[str, int]:
    """Nudge jobs that wait to start, steps that are due or whose worker is gone, jobs without a round."""
    steps.pause_stalled(by=by)
    queued = list(Job.objects.filter(state=JobState.QUEUED).values_list("id", flat=True))
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
    old = set(store.digests_older_than(ABANDONED_FILES_S))
    for digest in old - needed(old):  # it was put here for a row that never came
        store.remove(digest)
    delete_uploads()
    delete_updates(by=by)
    retiring.retire_models(by=by)
    for model in Model.objects.filter(versions__pruned_at=None).distinct():
        prune(model=model, by=by)


def delete_updates(*, by: Actor) -> int:
    """Delete stored updates of rounds that another round of the job has followed (DESIGN, 5.6). The audit tells it."""
    count = 0
    while over := statements.served(UPDATES_KEPT_ROUNDS, limit=_ROUNDS_AT_ONCE):
        digests: set[str] = set()
        with transaction.atomic():
            mine = statements.note_updates_deleted([served.round_id for served in over])
            for served in over:
                if served.round_id not in mine:
                    continue
                digests.update(served.digests)
                count += len(served.digests)
                if served.digests:
                    record_job_event(
                        job=Job.from_db("default", ("id", "consortium_id"), (served.job_id, served.consortium_id)),
                        verb="round.updates_deleted",
                        by=by,
                        detail={"round": served.number, "updates": len(served.digests)},
                    )
        for digest in digests - needed(digests):
            store.remove(digest)
    return count


def delete_uploads() -> int:
    """Delete what was uploaded, in whole or in part, for orders that wait for no answer any more, unless it counts."""
    count = 0
    while over := uploads.forget(limit=_UPLOADS_AT_ONCE):
        count += len(over)
        for order_id, _ in over:
            store.remove_parts(order_id)
        digests = {digest for _, digest in over}
        for digest in digests - needed(digests):
            store.remove(digest)
    return count


def needed(digests: Collection[str]) -> set[str]:
    """Those of these digests that are wanted: by a round whose updates are kept, a model version, or an open order."""
    kept = Submission.objects.filter(payload_digest__in=digests, order__step__round__updates_deleted_at=None)
    coming = Upload.objects.filter(digest__in=digests, order__state__in=OUTSTANDING)
    return (
        referenced(digests)
        | set(kept.values_list("payload_digest", flat=True))
        | set(coming.values_list("digest", flat=True))
    )
