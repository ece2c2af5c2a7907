"""Who somebody is: what they belong to, as what, and what they may do there. A few queries, however much that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from accounts.models import Organisation, OrganisationRole, User
from accounts.permissions import ROLES, Permission, Role, in_consortium
from accounts.selectors import platform_permissions_of
from consortia.models import Consortium, ConsortiumRole, Participation
from consortia.selectors import consortia_visible_to
from consortia.transitions import ParticipationState


@dataclass(frozen=True)
class Membership:
    """An organisation that somebody belongs to, and as what."""

    id: UUID
    name: str
    slug: str
    roles: list[str]


@dataclass(frozen=True)
class Sight:
    """A consortium that somebody sees, and what they may do in it."""

    id: UUID
    name: str
    slug: str
    permissions: list[str]


@dataclass(frozen=True)
class Identity:
    """A person with everything that they belong to."""

    id: UUID
    email: str
    full_name: str
    is_platform_administrator: bool
    organisations: list[Membership]
    consortia: list[Sight]


def identity_of(user: User) -> Identity:
    """What the platform knows of somebody's place in it: four queries."""
    held = list(OrganisationRole.objects.filter(user=user).select_related("organisation").order_by("role"))
    allowed = _permissions_by_consortium(user, held)
    return Identity(
        id=user.pk,
        email=user.email,
        full_name=user.full_name,
        is_platform_administrator=user.is_platform_administrator,
        organisations=list(_memberships(held)),
        consortia=[_sight(consortium, allowed[consortium.pk]) for consortium in consortia_visible_to(user)],
    )


def _memberships(held: list[OrganisationRole]) -> Iterator[Membership]:
    organisations: dict[UUID, Organisation] = {row.organisation_id: row.organisation for row in held}
    for member_organisation in sorted(organisations.values(), key=lambda organisation: organisation.name):
        roles = [row.role for row in held if row.organisation_id == member_organisation.pk]
        yield Membership(
            id=member_organisation.pk, name=member_organisation.name, slug=member_organisation.slug, roles=roles
        )


def _sight(consortium: Consortium, allowed: set[Permission]) -> Sight:
    names = sorted(permission.value for permission in allowed)
    return Sight(id=consortium.pk, name=consortium.name, slug=consortium.slug, permissions=names)


def _permissions_by_consortium(user: User, held: list[OrganisationRole]) -> defaultdict[UUID, set[Permission]]:
    by_organisation: defaultdict[UUID, set[Permission]] = defaultdict(set)
    for row in held:
        by_organisation[row.organisation_id] |= in_consortium(Role(row.role))
    allowed: defaultdict[UUID, set[Permission]] = defaultdict(lambda: set(platform_permissions_of(user)))
    for consortium_id, role in ConsortiumRole.objects.filter(user=user).values_list("consortium", "role"):
        allowed[consortium_id] |= ROLES[Role(role)]
    joined = Participation.objects.filter(state=ParticipationState.ACTIVE, organisation__in=by_organisation)
    for consortium_id, organisation_id in joined.values_list("consortium", "organisation"):
        allowed[consortium_id] |= by_organisation[organisation_id]
    return allowed
