"""Somebody's telephone: an app that makes codes."""

from __future__ import annotations

import base64
import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.test import Client

from accounts.models import User
from accounts.second_factor.actions import set_up
from accounts.second_factor.requirements import record_second_factor
from tests.support.world import TEST

SECRET = base64.b32encode(b"twenty bytes exactly").decode()


def telephone(user: User, secret: str = SECRET) -> str:
    """Give somebody a second factor; its secret."""
    set_up(user=user, secret=secret, by=TEST)
    return secret


def code(secret: str = SECRET, *, steps_on: int = 0) -> str:
    """What the app shows now, or so many steps of 30 s later."""
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps_on)))


def showed(client: Client, user: User, *, ago_s: float = 0.0) -> None:
    """Their browser has shown the second factor, so long ago."""
    session = client.session
    record_second_factor(session, user)
    session["second_factor_shown_at"] -= ago_s
    session.save()
