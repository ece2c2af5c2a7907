"""The statement that appends an event, for actions that are one statement of SQL, event included."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.utils import timezone
from psycopg.types.json import Jsonb

from audit.actors import Actor
from federation.errors import Invalid

_SECRET_NAME = re.compile(
    r"(^|_)(password|secret|token|authorization|cookie|session_key|private_key|signing_key|enrolment_code)$"
)
_SECRET_VALUE = re.compile(r"\bcns_[A-Za-z0-9_-]{20,}|PRIVATE KEY-----")
_COLUMNS = {
    "at": "timestamptz",
    "verb": "varchar",
    "actor_kind": "varchar",
    "actor_id": "varchar",
    "actor_name": "varchar",
    "subject_kind": "varchar",
    "subject_id": "varchar",
    "consortium_id": "uuid",
    "organisation_id": "uuid",
    "job_id": "uuid",
    "detail": "jsonb",
}


def appending(source: str) -> str:
    """The statement that appends the event of `event_of` for each row of `source`.

    For a statement of SQL that is an action in itself: its own transaction, event included.
    """
    values = ", ".join(f"%(event_{name})s::{kind}" for name, kind in _COLUMNS.items())
    return f"INSERT INTO audit_event ({', '.join(_COLUMNS)}) SELECT {values} FROM {source}"  # noqa: S608 - names of ours


def appending_each() -> str:
    """The statement that appends the events of `events_of`, in their order."""
    names = ", ".join(_COLUMNS)
    each = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    return (
        f"INSERT INTO audit_event ({names}) SELECT {names} "  # noqa: S608 - names of ours
        f"FROM ROWS FROM (jsonb_to_recordset(%(events)s::jsonb) AS ({each})) WITH ORDINALITY AS one ORDER BY ordinality"
    )


def events_of(events: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """The parameter of the statement of `appending_each`; each event is one of `event_of`."""
    return {"events": Jsonb([{name: _plain(event[f"event_{name}"]) for name in _COLUMNS} for event in events])}


def _plain(value: object) -> object:
    if isinstance(value, Jsonb):
        return value.obj
    return value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value


def event_of(
    *,
    by: Actor,
    verb: str,
    subject_kind: str,
    subject_id: object,
    consortium_id: UUID | None = None,
    organisation_id: UUID | None = None,
    job_id: UUID | None = None,
    detail: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """The parameters of a statement made with `appending`. Raises as `record` does where there is a secret in it."""
    plain = dict(detail or {})
    check_no_secret(plain)
    return {
        "event_at": timezone.now(),
        "event_verb": verb,
        "event_actor_kind": by.actor_kind,
        "event_actor_id": by.actor_id,
        "event_actor_name": by.actor_name,
        "event_subject_kind": subject_kind,
        "event_subject_id": str(subject_id),
        "event_consortium_id": consortium_id,
        "event_organisation_id": organisation_id,
        "event_job_id": job_id,
        "event_detail": Jsonb(plain),
    }


def check_no_secret(value: object, field: str | None = None) -> None:
    """Raise ValueError where a name, however deep, is that of a secret; Invalid ``text.secret`` where a text is one."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if _SECRET_NAME.search(str(name)):
                raise ValueError(f"An event's detail must not hold {name!r}.")
            check_no_secret(inner, field)
    elif isinstance(value, str):
        if _SECRET_VALUE.search(value):
            message = "This text holds a token or a private key, and would be kept for good. Leave it out."
            raise Invalid("text.secret", message, field)
    elif isinstance(value, list | tuple):
        for inner in value:
            check_no_secret(inner, field)
