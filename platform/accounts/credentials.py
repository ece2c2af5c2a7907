"""What lets somebody act without saying again who they are: their sessions and tokens."""

from __future__ import annotations

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.models import ApiToken, User


def end_credentials(user: User) -> None:
    """End sessions and tokens; the password is the caller's to change. Links die with the password they were made for.

    A second factor stays: who has lost theirs, or never had it, turns to the operator.
    """
    known = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=list(known.values_list("session_key", flat=True))).delete()
    known.delete()
    ApiToken.objects.filter(user=user, revoked_at__isnull=True).update(revoked_at=timezone.now())
