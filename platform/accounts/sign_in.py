"""Checking who signs in, slowly for anyone who guesses."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.contrib.auth import authenticate
from django.utils import timezone

from accounts.models import SignInFailure, User
from accounts.models.user import normalise_email
from rest.errors import TooMany, Unauthenticated

WINDOW = timedelta(minutes=15)
# Guesses within the window: at one account from one address, at one account from anywhere, from one address at any.
PAIR_MAX, ACCOUNT_MAX, ADDRESS_MAX = 10, 100, 100
_ADDRESS_LENGTH = 64


def check_credentials(*, email: str, password: str, address: str) -> User:
    """The person whose these are. Raises Unauthenticated `sign_in.failed` or TooMany `sign_in.too_many`.

    A try counts as failed before it is checked and is forgiven once it succeeds, so that guessing in parallel is
    no way around the limit.
    """
    what = normalise_email(email)
    record_attempt(what, address)
    user = authenticate(username=email, password=password)
    if not isinstance(user, User):
        raise Unauthenticated("sign_in.failed", "The e-mail address or the password is wrong.")
    clear_attempts(what, address)
    return user


def record_attempt(what: str, address: str, *, from_anywhere_max: int | None = None) -> None:
    """Note a try at something. Raises TooMany `sign_in.too_many` after too many within the window."""
    digest, address = _digest(what), address[:_ADDRESS_LENGTH]
    now = timezone.now()
    SignInFailure.objects.filter(at__lt=now - WINDOW).delete()
    recent = SignInFailure.objects.filter(at__gte=now - WINDOW)
    SignInFailure.objects.create(email_digest=digest, address=address, at=now)
    if (
        recent.filter(email_digest=digest, address=address).count() > PAIR_MAX
        or recent.filter(email_digest=digest).count() > (from_anywhere_max or ACCOUNT_MAX)
        or recent.filter(address=address).count() > ADDRESS_MAX
    ):
        wait_s = int(WINDOW.total_seconds())
        raise TooMany(
            "sign_in.too_many", "Too many tries. Wait a quarter of an hour.", headers={"Retry-After": str(wait_s)}
        )


def clear_attempts(what: str, address: str) -> None:
    """It succeeded from there: what failed before no longer counts."""
    SignInFailure.objects.filter(email_digest=_digest(what), address=address[:_ADDRESS_LENGTH]).delete()


def _digest(what: str) -> str:
    return hashlib.sha256(what.encode()).hexdigest()
