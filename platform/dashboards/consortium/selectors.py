"""The members and the people of a consortium, as its pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from accounts.models import OrganisationRole, User
from accounts.permissions import Permission, Role
from accounts.selectors import organisations_where
from consortia.models import Consortium, ConsortiumRole, Participation
from consortia.selectors import active_organisations, organisations_that_may_leave
from consortia.transitions import ParticipationState
from silos.selectors import silos_of
from silos.transitions import SiloState

PEOPLE_SHOWN = 200


@dataclass(frozen=True)
class Member:
    """An organisation's place, and what the reader may do about it."""

    participation: Participation
    n_silos: int
    may_leave: bool


@dataclass(frozen=True)
class Person:
    """Somebody of a member, or with a role in the consortium: what they are at home, and here."""

    user: User
    organisations: tuple[str, ...]
    at_home: tuple[str, ...]
    here: tuple[ConsortiumRole, ...]


def members_of(consortium: Consortium, user: User) -> list[Member]:
    """Those that take part first, then the invited, then those that were."""
    order = list(ParticipationState)
    leavable = set(organisations_that_may_leave(user, consortium).values_list("pk", flat=True))
    rows = consortium.participations.select_related("organisation").order_by("organisation__name")
    per_organisation: dict[UUID, int] = {}
    for organisation in silos_of(consortium).exclude(state=SiloState.REVOKED).values_list("organisation_id", flat=True):
        per_organisation[organisation] = per_organisation.get(organisation, 0) + 1
    active_first = sorted(
        rows, key=lambda row: (row.state != ParticipationState.ACTIVE, order.index(ParticipationState(row.state)))
    )
    return [
        Member(row, per_organisation.get(row.organisation_id, 0), row.organisation_id in leavable)
        for row in active_first
    ]


def people_of(consortium: Consortium, user: User) -> list[Person]:
    """Who holds a role in the consortium, whatever organisation they come from; and one's own colleagues at its
    members.

    Whom another member employs is its own affair: only who has a role here is shown of it.
    """
    here: dict[UUID, list[ConsortiumRole]] = {}
    users: dict[UUID, User] = {}
    for granted in consortium.roles.select_related("user").order_by("user__full_name", "role"):
        here.setdefault(granted.user_id, []).append(granted)
        users[granted.user_id] = granted.user
    member_organisations: dict[UUID, dict[str, None]] = {}
    at_home: dict[UUID, list[str]] = {}
    members = active_organisations(consortium.id)
    seen = organisations_where(user, Permission.ORGANISATION_VIEW)
    held = OrganisationRole.objects.filter(organisation__in=members).select_related("user", "organisation")
    mine = held.filter(organisation__in=seen) | held.filter(user__in=list(users))
    seen_ids = set(seen.values_list("pk", flat=True))
    for role in mine.order_by("user__full_name", "organisation__name", "role")[:PEOPLE_SHOWN]:
        users.setdefault(role.user_id, role.user)
        member_organisations.setdefault(role.user_id, {})[role.organisation.name] = None
        if role.organisation_id in seen_ids:
            at_home.setdefault(role.user_id, []).append(str(Role(role.role).label))
    return [
        Person(
            user=one,
            organisations=tuple(member_organisations.get(key, ())),
            at_home=tuple(at_home.get(key, ())),
            here=tuple(here.get(key, ())),
        )
        for key, one in sorted(users.items(), key=lambda pair: (pair[0] not in here, pair[1].full_name))
    ]
