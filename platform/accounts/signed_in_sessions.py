"""The browsers in which somebody is signed in: noted when they are seen, listed, let go of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allauth.core.internal.httpkit import HTTP_USER_AGENT_MAX_LENGTH
from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import User
from accounts.user_agents import name_of
from rest.addresses import ip_of


@dataclass(frozen=True)
class SessionRow:
    """A browser in which somebody is signed in."""

    id: int
    browser: str
    address: str
    since: datetime
    seen_at: datetime
    is_this: bool


def _is_open(stored: Session, user: User) -> bool:
    """Whether the session still signs them in: not after a change of password."""
    kept = str(stored.get_decoded().get(HASH_SESSION_KEY, ""))
    return constant_time_compare(kept, user.get_session_auth_hash())


def sessions_of(user: User, this_key: str | None) -> list[SessionRow]:
    """Those still open, this one first, then by when they were last seen."""
    known = {row.session_key: row for row in UserSession.objects.filter(user=user)}
    stored = Session.objects.filter(session_key__in=known, expire_date__gt=timezone.now())
    found = [known[session.session_key] for session in stored if _is_open(session, user)]
    rows = [
        SessionRow(
            id=row.pk,
            browser=name_of(row.user_agent),
            address=row.ip,
            since=row.created_at,
            seen_at=row.last_seen_at,
            is_this=row.session_key == this_key,
        )
        for row in found
    ]
    return sorted(rows, key=lambda row: (not row.is_this, -row.seen_at.timestamp()))


def touch(request: HttpRequest, user: User) -> None:
    """Note that a session was seen; one that nobody has noted yet is noted now."""
    seen = UserSession(
        session_key=str(request.session.session_key),
        user=user,
        ip=ip_of(request),
        user_agent=request.headers.get("User-Agent", "")[:HTTP_USER_AGENT_MAX_LENGTH],
        last_seen_at=timezone.now(),
    )
    UserSession.objects.bulk_create(
        [seen],
        update_conflicts=True,
        unique_fields=["session_key"],
        update_fields=["user", "ip", "user_agent", "last_seen_at"],
    )


def delete_ended() -> None:
    """Let go of sessions that are no more."""
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
