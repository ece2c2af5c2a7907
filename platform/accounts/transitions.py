"""The states of a signatory key, and which may follow which."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from rest.errors import Conflict


class SignatoryKeyState(models.TextChoices):
    """Whether the organisation still stands by its key."""

    ACTIVE = "active", _("Active")
    REVOKED = "revoked", _("Revoked")


SIGNATORY_KEY_TRANSITIONS: dict[SignatoryKeyState, frozenset[SignatoryKeyState]] = {
    SignatoryKeyState.ACTIVE: frozenset({SignatoryKeyState.REVOKED}),
    SignatoryKeyState.REVOKED: frozenset(),
}


def check_signatory_key_transition(now: SignatoryKeyState, then: SignatoryKeyState) -> None:
    """Raise Conflict `signatory_key.transition` unless `then` may follow `now`."""
    if then not in SIGNATORY_KEY_TRANSITIONS[now]:
        raise Conflict(
            "signatory_key.transition",
            gettext("A key that is %(now)s can't become %(then)s. Load the page again to see how it stands.")
            % {"now": now.label.lower(), "then": then.label.lower()},
        )
