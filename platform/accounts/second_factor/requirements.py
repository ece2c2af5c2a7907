"""Who must have a second factor, and whether a session has shown it."""

from __future__ import annotations

import time

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Q

from accounts.models import User
from accounts.permissions import Role
from rest.errors import Forbidden

# Anyone who may change what others do, or speak for an organisation.
STRONG_ROLES = (Role.CONSORTIUM_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR, Role.STEWARD)
_SHOWN = "second_factor_shown_by"
_SHOWN_AT = "second_factor_shown_at"
FRESH_S = 900.0
"""How long a factor that was shown counts for the acts that others' access hangs on."""


class FactorNotFresh(Forbidden):
    """Who asks has shown their second factor too long ago for what they want to do."""

    def __init__(self) -> None:
        super().__init__(
            "second_factor.not_recent",
            "Show your second factor again at /account/confirm/code/, then repeat this.",
        )


def needs_second_factor(user: User) -> bool:
    """Whether a role of theirs asks for one."""
    if not settings.SIGN_IN_TOTP_REQUIRED:
        return False
    if user.is_platform_administrator:
        return True
    # `consortium_roles` is declared by consortia, which is above this app: asked by its name, not imported.
    held = Q(organisation_roles__role__in=STRONG_ROLES) | Q(consortium_roles__role__in=STRONG_ROLES)
    return User.objects.filter(held, pk=user.pk).exists()


def has_second_factor(user: User) -> bool:
    """Whether an app of theirs makes codes."""
    return bool(Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())


def record_second_factor(session: SessionBase, user: User) -> None:
    """This session has shown the second factor of this person."""
    session[_SHOWN] = str(user.pk)
    session[_SHOWN_AT] = time.time()


def has_shown_second_factor(session: SessionBase, user: User) -> bool:
    """Whether this session has."""
    return session.get(_SHOWN) == str(user.pk)


def check_fresh(session: SessionBase, user: User) -> None:
    """Raise FactorNotFresh unless this session has shown the person's second factor within the last quarter of an hour.

    Who neither has one nor needs one is not asked.
    """
    shown_at = session.get(_SHOWN_AT, 0.0)
    if has_shown_second_factor(session, user) and 0.0 <= time.time() - shown_at <= FRESH_S:
        return
    if has_second_factor(user) or needs_second_factor(user):
        raise FactorNotFresh


def check_session(session: SessionBase, user: User) -> None:
    """Raise Forbidden `second_factor.required` where a role asks for a second factor and the session has shown none."""
    if not has_shown_second_factor(session, user) and needs_second_factor(user):
        raise Forbidden(
            "second_factor.required",
            "Your role asks for a second factor: sign in with your browser and show it, or set it up there.",
        )
