"""Who must have a second factor, and whether a session has shown it."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db.models import Q

from accounts.models import User
from accounts.permissions import Role
from rest.errors import Forbidden

# Whoever may change what others do, or speak for an organisation.
STRONG_ROLES = (Role.CONSORTIUM_ADMINISTRATOR, Role.ORGANISATION_ADMINISTRATOR, Role.STEWARD)
_SHOWN = "second_factor_shown_by"


def needs_second_factor(user: User) -> bool:
    """Whether a role of theirs asks for one."""
    if not settings.SIGN_IN_TOTP_REQUIRED:
        return False
    if user.is_platform_administrator:
        return True
    # `consortium_roles` is declared by consortia, which stands above this app: asked by its name, not imported.
    held = Q(organisation_roles__role__in=STRONG_ROLES) | Q(consortium_roles__role__in=STRONG_ROLES)
    return User.objects.filter(held, pk=user.pk).exists()


def has_second_factor(user: User) -> bool:
    """Whether an app of theirs makes codes."""
    return bool(Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists())


def note_shown(session: SessionBase, user: User) -> None:
    """This session has shown the second factor of this person."""
    session[_SHOWN] = str(user.pk)


def has_shown(session: SessionBase, user: User) -> bool:
    """Whether this session has."""
    return session.get(_SHOWN) == str(user.pk)


def check_session(session: SessionBase, user: User) -> None:
    """Raise Forbidden `second_factor.required` where a role asks for a second factor and the session has shown none."""
    if not has_shown(session, user) and needs_second_factor(user):
        raise Forbidden(
            "second_factor.required",
            "Your role asks for a second factor: sign in with your browser and show it, or set it up there.",
        )
