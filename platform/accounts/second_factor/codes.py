"""Checks a code. All that is remembered of codes is in PostgreSQL, so that signing in works while Redis is away."""

from __future__ import annotations

import time

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.db import transaction
from django.utils.crypto import constant_time_compare

from accounts.models import User
from accounts.second_factor.encryption import unseal
from accounts.sign_in import clear_attempts, record_attempt
from audit.actions import record
from rest.errors import Unauthenticated

STEP_S = 30
DRIFT_STEPS = 1  # how far a clock may be off: one step of 30 s to either side
TRIES_MAX = 10
_KINDS = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)


def use_code(*, user: User, code: str, address: str) -> Authenticator:
    """The factor that this code is of; it won't do a second time.

    Raises Unauthenticated `second_factor.wrong` or TooMany `sign_in.too_many`. A try counts as failed before it is
    checked, like that of a password.
    """
    what = f"second factor of {user.pk}"
    record_attempt(what, address, from_anywhere_max=TRIES_MAX)
    given = "".join(code.split())
    with transaction.atomic():
        for factor in Authenticator.objects.select_for_update().filter(user=user, type__in=_KINDS).order_by("-type"):
            is_totp = factor.type == Authenticator.Type.TOTP
            if _use_totp(factor, given) if is_totp else factor.wrap().validate_code(given):
                clear_attempts(what, address)
                if not is_totp:
                    record(by=user, verb="user.recovery_code_used", subject=user)
                return factor
    raise Unauthenticated(
        "second_factor.wrong", "This code is wrong or was used before. Wait for the next one, which comes within 30 s."
    )


def step_of(secret: str, code: str, now_s: float) -> int | None:
    """The step of 30 s at which the secret makes this code, about now; None where there is none. RFC 6238."""
    now = int(now_s) // STEP_S
    matching = [
        step
        for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1)
        if constant_time_compare(code, format_hotp_value(hotp_value(secret, step)))
    ]
    return matching[0] if matching else None


def _use_totp(factor: Authenticator, code: str) -> bool:
    step = step_of(unseal(factor.data["secret"]), code, time.time())
    if step is None or step <= factor.data.get("last_step", 0):
        return False
    factor.data["last_step"] = step
    factor.save(update_fields=["data"])
    return True
