"""Writing down what happened, inside the transaction in which it happens."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import models, transaction

from audit.actors import Actor
from audit.statements import appending, event_of
from realtime import database

_APPEND = appending("(VALUES (true)) AS once")


def record(
    *,
    by: Actor,
    verb: str,
    subject: models.Model,
    consortium_id: UUID | None = None,
    organisation_id: UUID | None = None,
    job_id: UUID | None = None,
    detail: Mapping[str, object] | None = None,
) -> None:
    """Append one event. Must be called in the action's own transaction; raises RuntimeError outside of any.

    `verb` is dotted, noun first: `job.launched`. `detail` holds plain JSON values for a reader, never a secret:
    what looks like one raises (`check_no_secret`), so that the action fails rather than leaks.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"The event {verb} must be recorded in the transaction of what it tells of.")
    event = event_of(
        by=by,
        verb=verb,
        subject_kind=subject._meta.model_name or "",
        subject_id=subject.pk,
        consortium_id=consortium_id,
        organisation_id=organisation_id,
        job_id=job_id,
        detail=detail,
    )
    database.fetch(_APPEND, event)
