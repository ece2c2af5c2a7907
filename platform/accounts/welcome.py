"""The address at which somebody with a new account chooses their password. It works once, for three days."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from accounts.models import User


def welcome_url(user: User) -> str:
    """A fresh address for this person: anyone who has it can take the account over, so it is shown once and not
    kept.
    """
    parts = {"uidb64": urlsafe_base64_encode(force_bytes(user.pk)), "token": default_token_generator.make_token(user)}
    return settings.PUBLIC_URL + reverse("welcome", kwargs=parts)
