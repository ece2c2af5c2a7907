"""Letting go of what has served: stored answers, ended sessions, old guesses."""

from __future__ import annotations

from django.utils import timezone

from accounts.models import SignInFailure
from accounts.sessions import SessionStore
from accounts.sign_in import WINDOW
from accounts.signed_in_sessions import delete_ended
from rest import idempotency


def delete_expired() -> None:
    """Delete what nobody will ask for again. What is recorded for ever (events, tokens' rows) stays."""
    idempotency.delete_expired()
    SessionStore.clear_expired()
    delete_ended()
    SignInFailure.objects.filter(at__lt=timezone.now() - WINDOW).delete()
