"""What each kind of person does first: shown where there is little to see yet. Pure but for what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_noop as _

from accounts.models import OrganisationRole, User
from accounts.permissions import Role
from consortia.models import ConsortiumRole


@dataclass(frozen=True)
class NextStep:
    """What somebody in a role can do, and the name of the page where it is done; none where it comes by itself."""

    role: str
    icon: str
    text: str
    page: str = ""
    label: str = ""


STEPS: Mapping[Role, NextStep] = {
    Role.PLATFORM_ADMINISTRATOR: NextStep(
        _("Platform administrator"),
        "building-2",
        _("Take organisations in, give each its first administrator, then found a consortium or let them found one."),
        "organisations",
        _("Organisations"),
    ),
    Role.CONSORTIUM_ADMINISTRATOR: NextStep(
        _("Consortium administrator"),
        "users-round",
        _(
            "Invite organisations on the consortium's page, under Participants, and give data scientists and auditors "
            "their roles there."
        ),
    ),
    Role.ORGANISATION_ADMINISTRATOR: NextStep(
        _("Organisation administrator"),
        "user-plus",
        _(
            "Take your people in and give them roles. Invitations to consortia, and connectors to be confirmed, appear "
            "on this page."
        ),
        "organisations",
        _("Your organisation"),
    ),
    Role.STEWARD: NextStep(
        _("Steward"),
        "shield-check",
        _(
            "Invitations to your organisation, agreements to sign and training plans to review appear on this page. "
            "You watch over its datasets, and can withdraw any of them."
        ),
        "datasets",
        _("Datasets"),
    ),
    Role.SILO_IT: NextStep(
        _("Silo IT"),
        "server",
        _("Give a silo its name; its page leads you from the code to a running connector."),
        "silo-new",
        _("New silo"),
    ),
    Role.DATA_SCIENTIST: NextStep(
        _("Data scientist"),
        "activity",
        _(
            "Look which datasets share a schema; then launch a job from the consortium's page. Launching takes the "
            "role in the consortium, from its administrator."
        ),
        "datasets",
        _("Datasets"),
    ),
    Role.AUDITOR: NextStep(
        _("Auditor"),
        "scroll-text",
        _("Everything that was done is in the audit log: filter it, and download it as a file."),
        "activity",
        _("Activity"),
    ),
}


def next_steps_of(user: User) -> list[NextStep]:
    """One for each role that the person holds anywhere, in the order of the table."""
    held = set(
        OrganisationRole.objects.filter(user=user)
        .order_by()
        .values_list("role", flat=True)
        .union(ConsortiumRole.objects.filter(user=user).order_by().values_list("role", flat=True))
    )
    if user.is_platform_administrator:
        held.add(Role.PLATFORM_ADMINISTRATOR)
    return [step for role, step in STEPS.items() if role in held]
