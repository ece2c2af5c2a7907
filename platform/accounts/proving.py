"""Whose an account is: its owner's, once somebody has shown that its e-mail address is theirs.

An account can be made for anybody's address. What shows that the right person holds it is that they followed a link
which went to that address alone, or came by an identity provider that has verified it. Whatever password, sessions and
tokens an account had before that moment may be another's, and end with it.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_noop as _

from accounts import dispatch
from accounts.actions import check_email_leaves, set_password
from accounts.credentials import end_credentials
from accounts.models import User
from audit.actions import record
from audit.actors import Actor
from rest.errors import Conflict


@transaction.atomic
def choose_password_by_link(*, user_id: UUID, token: str, password: str) -> User:
    """Set the password of the one who followed a link out of an e-mail to this account's address, which proves it.

    The account's row is locked before the link is checked, so that of many who use one link at once one succeeds.
    Raises Conflict `link.used`, Django's ValidationError for a weak password.
    """
    locked = User.objects.select_for_update(no_key=True).get(pk=user_id)
    if not locked.is_active or not default_token_generator.check_token(locked, token):
        raise Conflict("link.used", _("This link was used before, or it is too old. Ask for a new one."))
    if not locked.is_proved:
        _note_proved(locked, "e-mail")
    return set_password(user=locked, password=password, by=locked)


@transaction.atomic
def prove_by_identity(*, user: User, provider: str) -> User:
    """An identity provider has verified that this address is theirs. A password that was there before ends."""
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if not locked.is_proved:
        _note_proved(locked, provider)
        locked.set_unusable_password()
        locked.save(update_fields=["password"])
    return locked


@transaction.atomic
def reset_unproved_account(*, user: User, by: Actor) -> User:
    """Another organisation wants this person, and nobody has shown that the account is theirs: it starts again.

    Password, sessions, tokens and earlier links end; a fresh link goes to the address. Of a proved account nothing
    ends. Raises Conflict `email.not_configured`.
    """
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if locked.is_proved:
        return locked
    check_email_leaves()
    end_credentials(locked)
    locked.set_unusable_password()
    locked.save(update_fields=["password"])
    record(by=by, verb="user.unproved_reset", subject=locked, detail={"person": locked.full_name})
    dispatch.send_welcome(locked.pk)
    return locked


def _note_proved(locked: User, how: str) -> None:
    end_credentials(locked)
    locked.proved_at = timezone.now()
    locked.save(update_fields=["proved_at"])
    record(by=locked, verb="user.address_proved", subject=locked, detail={"by": how})
