"""What is done to a person's second factor."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.db import transaction

from accounts.models import User
from accounts.second_factor.encryption import encrypt
from audit.actions import record
from audit.actors import Actor
from rest.errors import Conflict


@transaction.atomic
def set_up(*, user: User, secret: str, by: Actor) -> Authenticator:
    """Give somebody a second factor with a known secret (base32). Raises Conflict `second_factor.set_up_already`."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
        raise Conflict("second_factor.set_up_already", "This person has a second factor; reset it first.")
    made = Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": encrypt(secret)})
    note_set_up(user=user, by=by)
    return made


@transaction.atomic
def reset(*, user: User, by: Actor) -> None:
    """Take the second factor and its recovery codes away; who needs one sets it up at the next sign-in."""
    removed, _ = Authenticator.objects.filter(user=user).delete()
    if not removed:
        raise Conflict("second_factor.none", "This person has no second factor.")
    note_removed(user=user, by=by)


def note_set_up(*, user: User, by: Actor) -> None:
    """Records, in the transaction that sets it up, that somebody has a second factor."""
    record(by=by, verb="user.second_factor_set_up", subject=user, detail={"person": user.full_name})


def note_removed(*, user: User, by: Actor) -> None:
    """Records, in the transaction that removes it, that somebody has none any more."""
    record(by=by, verb="user.second_factor_removed", subject=user, detail={"person": user.full_name})


def note_codes_renewed(*, user: User, by: Actor) -> None:
    """Records, in the transaction that makes them, that somebody has new recovery codes."""
    record(by=by, verb="user.recovery_codes_renewed", subject=user, detail={"person": user.full_name})
