"""The states of a participation, and which may follow which."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from rest.errors import Conflict


class ParticipationState(models.TextChoices):
    """Where an organisation stands in a consortium."""

    INVITED = "invited", _("Invited")
    ACTIVE = "active", _("Active")
    DECLINED = "declined", _("Declined")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    LEFT = "left", _("Left")


PARTICIPATION_TRANSITIONS: dict[ParticipationState, frozenset[ParticipationState]] = {
    ParticipationState.INVITED: frozenset(
        {ParticipationState.ACTIVE, ParticipationState.DECLINED, ParticipationState.WITHDRAWN}
    ),
    ParticipationState.ACTIVE: frozenset({ParticipationState.LEFT}),
    ParticipationState.DECLINED: frozenset({ParticipationState.INVITED}),
    ParticipationState.WITHDRAWN: frozenset({ParticipationState.INVITED}),
    ParticipationState.LEFT: frozenset({ParticipationState.INVITED}),
}


def check_participation_transition(now: ParticipationState, then: ParticipationState) -> None:
    """Raise Conflict `participation.transition` unless `then` may follow `now`."""
    if then not in PARTICIPATION_TRANSITIONS[now]:
        raise Conflict(
            "participation.transition",
            gettext("A participation that is %(now)s can't become %(then)s. Load the page again to see how it stands.")
            % {"now": now.label.lower(), "then": then.label.lower()},
        )
