"""What is deleted once it has served: nonces, unfinished files, updates of closed rounds, old versions of models."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from artefacts import store
from audit.actions import EventContent, record_each
from audit.actors import Actor
from audit.following import delete_unfollowed
from registry.actions import prune
from registry.selectors import referenced
from silos.models import RequestNonce
from training.engine.sql import housekeeping as statements
from training.engine.sql import uploads
from training.models import Job, Payload, Upload
from training.transitions import OUTSTANDING

ABANDONED_FILES_S = 7 * 86400.0
UPDATES_KEPT_ROUNDS = 1
"""For jobs without an agreement; the others keep to their agreement's `retention.updates_rounds`."""
VERSIONS_KEPT = 20
"""Of each model, besides the first, the best and what somebody needs."""
_ROUNDS_AT_ONCE = 1000
_UPLOADS_AT_ONCE = 500


def delete_expired_data(*, by: Actor) -> None:
    """Delete old nonces and marks, uploads that nobody waits for, and updates that have served."""
    delete_unfollowed()
    RequestNonce.objects.filter(expires_at__lt=timezone.now()).delete()
    delete_uploads()
    delete_updates(by=by)


def delete_orphaned_files() -> None:
    """Delete unfinished files, and files whose rows never came: every older file is looked at."""
    store.remove_abandoned(ABANDONED_FILES_S)
    store.remove_unneeded(set(store.digests_older_than(ABANDONED_FILES_S)), needed)


def prune_models(*, by: Actor) -> int:
    """Delete the weights of old versions that nobody needs; how many. Two statements find them, of all models."""
    return sum(
        prune(model_id=model_id, version_ids=ids, needed=statements.needed_versions, needed_files=needed, by=by)
        for model_id, ids in statements.prunable_versions(VERSIONS_KEPT)
    )


def delete_updates(*, by: Actor) -> int:
    """Delete stored updates of rounds that another round of the job has followed (DESIGN, 5.6). The audit reports
    it.
    """
    count = 0
    while over := statements.rounds_with_deletable_updates(UPDATES_KEPT_ROUNDS, limit=_ROUNDS_AT_ONCE):
        with transaction.atomic():
            mine = statements.note_updates_deleted([served.round_id for served in over])
            rows = [served for served in over if served.round_id in mine and served.digests]
            record_each(by=by, verb="round.updates_deleted", reported=map(_updates_deleted, rows))
        count += sum(len(served.digests) for served in rows)
        store.remove_unneeded({digest for served in rows for digest in served.digests}, needed)
    return count


def _updates_deleted(served: statements.Served) -> EventContent:
    return EventContent(
        subject=Job.from_db("default", ("id", "consortium_id"), (served.job_id, served.consortium_id)),
        consortium_id=served.consortium_id,
        job_id=served.job_id,
        detail={"round": served.number, "updates": len(served.digests)},
    )


def delete_uploads() -> int:
    """Delete what was uploaded, in whole or in part, for orders that wait for no answer any more, unless it counts."""
    count = 0
    while over := uploads.delete_settled(limit=_UPLOADS_AT_ONCE):
        count += len(over)
        for order_id, _ in over:
            store.remove_parts(order_id)
        store.remove_unneeded({digest for _, digest in over}, needed)
    return count


def needed(digests: Collection[str]) -> set[str]:
    """Those of these digests that are wanted.

    By a round whose updates are kept, an order of no round whose job goes on, a model version, or an open order.
    """
    of_a_round = Q(order__step__isnull=False, order__step__round__updates_deleted_at=None)
    of_no_round = Q(order__step=None, order__job__ended_at=None)
    kept = Payload.objects.filter(of_a_round | of_no_round, digest__in=digests)
    coming = Upload.objects.filter(digest__in=digests, order__state__in=OUTSTANDING)
    # asked in the order in which a digest goes from one to the next: what moves meanwhile is found by the later one
    found = set(coming.values_list("digest", flat=True))
    found |= set(kept.values_list("digest", flat=True))
    return found | referenced(digests)
