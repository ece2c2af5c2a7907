"""Writing down what happened, inside the transaction in which it happens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import models, transaction

from audit.actors import Actor
from audit.statements import appending, appending_each, event_of, events_of
from realtime import database

_APPEND = appending("(VALUES (true)) AS once")
_APPEND_EACH = appending_each()


@dataclass(frozen=True)
class EventContent:
    """What one of many events of the same verb is about."""

    subject: models.Model
    consortium_id: UUID | None = None
    organisation_id: UUID | None = None
    job_id: UUID | None = None
    detail: Mapping[str, object] | None = None


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
    _check_in_transaction(verb)
    reported = EventContent(subject, consortium_id, organisation_id, job_id, detail)
    database.fetch(_APPEND, _event(by, verb, reported))


def record_each(*, by: Actor, verb: str, reported: Iterable[EventContent]) -> None:
    """Append one event for each of these, in their order and in one statement. Otherwise as `record` does."""
    _check_in_transaction(verb)
    if events := [_event(by, verb, one) for one in reported]:
        database.fetch(_APPEND_EACH, events_of(events))


def _check_in_transaction(verb: str) -> None:
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError(f"The event {verb} must be recorded in the transaction of what it tells of.")


def _event(by: Actor, verb: str, reported: EventContent) -> dict[str, object]:
    return event_of(
        by=by,
        verb=verb,
        subject_kind=reported.subject._meta.model_name or "",
        subject_id=reported.subject.pk,
        consortium_id=reported.consortium_id,
        organisation_id=reported.organisation_id,
        job_id=reported.job_id,
        detail=reported.detail,
    )
