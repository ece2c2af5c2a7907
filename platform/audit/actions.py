"""Writing down what happened, inside the transaction in which it happens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from uuid import UUID

from django.db import models, transaction
from django.utils import timezone
from psycopg.types.json import Jsonb

from audit.actors import Actor
from federation.errors import Invalid
from live import database

_SECRET_NAME = re.compile(
    r"(^|_)(password|secret|token|authorization|cookie|session_key|private_key|signing_key|enrolment_code)$"
)
_SECRET_VALUE = re.compile(r"\bcns_[A-Za-z0-9_-]{20,}|PRIVATE KEY-----")

_APPEND = """
    INSERT INTO audit_event (at, verb, actor_kind, actor_id, actor_name, subject_kind, subject_id,
                             consortium_id, organisation_id, job_id, detail)
    VALUES (%(at)s, %(verb)s, %(actor_kind)s, %(actor_id)s, %(actor_name)s, %(subject_kind)s, %(subject_id)s,
            %(consortium_id)s, %(organisation_id)s, %(job_id)s, %(detail)s)
"""


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
    plain = dict(detail or {})
    check_no_secret(plain)
    database.fetch(
        _APPEND,
        {
            "at": timezone.now(),
            "verb": verb,
            "actor_kind": by.actor_kind,
            "actor_id": by.actor_id,
            "actor_name": by.actor_name,
            "subject_kind": subject._meta.model_name or "",
            "subject_id": str(subject.pk),
            "consortium_id": consortium_id,
            "organisation_id": organisation_id,
            "job_id": job_id,
            "detail": Jsonb(plain),
        },
    )


def check_no_secret(value: object, field: str | None = None) -> None:
    """Raise ValueError where a name, however deep, is that of a secret; Invalid ``text.secret`` where a text is one."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if _SECRET_NAME.search(str(name)):
                raise ValueError(f"An event's detail must not hold {name!r}.")
            check_no_secret(inner, field)
    elif isinstance(value, str):
        if _SECRET_VALUE.search(value):
            told = "This text holds a token or a private key, and would be kept for good. Leave it out."
            raise Invalid("text.secret", told, field)
    elif isinstance(value, list | tuple):
        for inner in value:
            check_no_secret(inner, field)
