"""What is done to the browsers in which somebody is signed in."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils.translation import override

from accounts.models import User
from accounts.user_agents import name_of
from audit.actions import record
from audit.actors import Actor
from rest.errors import NotFound


@transaction.atomic
def end_session(*, user: User, session_id: int, by: Actor) -> None:
    """Sign somebody out of one browser. Raises NotFound for a session of somebody else."""
    found = UserSession.objects.filter(user=user, pk=session_id).first()
    if found is None:
        raise NotFound.of("session")
    Session.objects.filter(session_key=found.session_key).delete()
    found.delete()
    with override(settings.LANGUAGE_CODE):  # the record is in one language
        browser = name_of(found.user_agent)
    record(by=by, verb="user.session_ended", subject=user, detail={"browser": browser})


@transaction.atomic
def end_all_sessions(*, user: User, by: Actor) -> int:
    """Sign somebody out of every browser; how many there were."""
    known = UserSession.objects.filter(user=user)
    ended, _ = Session.objects.filter(session_key__in=list(known.values_list("session_key", flat=True))).delete()
    known.delete()
    record(by=by, verb="user.sessions_ended", subject=user, detail={"sessions": ended})
    return ended
