"""Signing in by password, slowly for whoever guesses."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from django.contrib.auth import authenticate
from django.db import transaction
from django.utils import timezone

from accounts.models import SignInFailure, User
from accounts.models.user import normalise_email
from audit.actions import record
from rest.errors import TooMany, Unauthenticated

WINDOW = timedelta(minutes=15)
# Guesses within the window: at one account from one address, at one account from anywhere, from one address at any.
PAIR_MAX, ACCOUNT_MAX, ADDRESS_MAX = 10, 100, 100
_ADDRESS_LENGTH = 64


def check_credentials(*, email: str, password: str, address: str) -> User:
    """The person who signs in with these. Raises Unauthenticated `sign_in.failed` or TooMany `sign_in.too_many`.

    A try counts as failed before it is judged and is forgiven once it succeeds, so that guessing in parallel is
    no way around the limit.
    """
    digest = hashlib.sha256(normalise_email(email).encode()).hexdigest()
    address = address[:_ADDRESS_LENGTH]
    _count_try(digest, address)
    user = authenticate(username=email, password=password)
    if not isinstance(user, User):
        raise Unauthenticated("sign_in.failed", "The e-mail address or the password is wrong.")
    with transaction.atomic():
        SignInFailure.objects.filter(email_digest=digest, address=address).delete()
        record(by=user, verb="user.signed_in", subject=user)
    return user


def _count_try(digest: str, address: str) -> None:
    now = timezone.now()
    SignInFailure.objects.filter(at__lt=now - WINDOW).delete()
    recent = SignInFailure.objects.filter(at__gte=now - WINDOW)
    SignInFailure.objects.create(email_digest=digest, address=address, at=now)
    if (
        recent.filter(email_digest=digest, address=address).count() > PAIR_MAX
        or recent.filter(email_digest=digest).count() > ACCOUNT_MAX
        or recent.filter(address=address).count() > ADDRESS_MAX
    ):
        wait_s = int(WINDOW.total_seconds())
        raise TooMany(
            "sign_in.too_many", "Too many tries. Wait a quarter of an hour.", headers={"Retry-After": str(wait_s)}
        )
