"""The states of a version of an agreement, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models
from django.utils.translation import gettext_lazy as _

from rest.errors import Conflict


class AgreementState(models.TextChoices):
    """The life of a version, from its first wording to its end."""

    DRAFT = "draft", _("draft")
    PROPOSED = "proposed", _("proposed")
    SIGNING = "signing", _("being signed")
    IN_FORCE = "in_force", _("in force")
    SUSPENDED = "suspended", _("suspended until amended")
    SUPERSEDED = "superseded", _("superseded")
    EXPIRED = "expired", _("expired")
    TERMINATED = "terminated", _("terminated")
    WITHDRAWN = "withdrawn", _("withdrawn")


S = AgreementState

TRANSITIONS: Mapping[AgreementState, frozenset[AgreementState]] = {
    S.DRAFT: frozenset({S.PROPOSED, S.WITHDRAWN}),
    S.PROPOSED: frozenset({S.DRAFT, S.SIGNING, S.WITHDRAWN}),
    # Back to proposed: a counter-proposal, or a member that is none any more. The signatures are thrown away.
    S.SIGNING: frozenset({S.PROPOSED, S.IN_FORCE, S.WITHDRAWN}),
    S.IN_FORCE: frozenset({S.SUPERSEDED, S.SUSPENDED, S.EXPIRED, S.TERMINATED}),
    # A member has left or stands by another key: only a version that all present members sign goes on from here.
    S.SUSPENDED: frozenset({S.SUPERSEDED, S.EXPIRED, S.TERMINATED}),
    S.SUPERSEDED: frozenset(),
    S.EXPIRED: frozenset(),
    S.TERMINATED: frozenset(),
    S.WITHDRAWN: frozenset(),
}

OPEN = (S.DRAFT, S.PROPOSED, S.SIGNING)
"""Under way to be the next: a consortium has one of these at most."""
CURRENT = (S.IN_FORCE, S.SUSPENDED)
"""What binds, or would but for a member that is gone: likewise."""
BINDING_ONCE = (S.IN_FORCE, S.SUSPENDED, S.SUPERSEDED, S.EXPIRED, S.TERMINATED)
"""Every member has signed these."""
ENDED = (S.SUPERSEDED, S.EXPIRED, S.TERMINATED, S.WITHDRAWN)


def check_transition(now: AgreementState, then: AgreementState) -> None:
    """Raise Conflict `agreement.transition` unless `then` may follow `now`."""
    if then not in TRANSITIONS[now]:
        raise Conflict(
            "agreement.transition",
            f"A version that is {now.value.replace('_', ' ')} can't become {then.value.replace('_', ' ')}. "
            "Look at the agreement's page: somebody may have been faster.",
        )
