"""Who sees which consortium, and what they may do in it."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F, Q, QuerySet, Value

from accounts.models import Organisation, OrganisationRole, User
from accounts.permissions import ROLES, Permission, Role, in_consortium
from accounts.selectors import organisation_permissions_of, platform_permissions_of
from consortia.models import Consortium, ConsortiumRole, Participation
from consortia.transitions import ParticipationState
from rest.errors import NotFound


def permissions_of(
    user: User, consortium: Consortium | None = None, organisation: Organisation | None = None
) -> frozenset[Permission]:
    """What a person may do: anywhere, in a consortium, in an organisation; the union where several are named.

    A role in an organisation holds in the consortia where that organisation is active, as far as
    `accounts.permissions.in_consortium` lets it.
    """
    allowed = platform_permissions_of(user)
    if organisation is not None:
        allowed |= organisation_permissions_of(user, organisation)
    if consortium is not None:
        allowed |= _consortium_permissions_of(user, consortium)
    return allowed


def _consortium_permissions_of(user: User, consortium: Consortium) -> frozenset[Permission]:
    """By roles in the consortium and by roles in the organisations that are active in it: one query."""
    direct = ConsortiumRole.objects.filter(user=user, consortium=consortium)
    by_house = OrganisationRole.objects.filter(
        user=user,
        organisation__participations__consortium=consortium,
        organisation__participations__state=ParticipationState.ACTIVE,
    )
    rows = (
        direct.order_by()
        .annotate(direct=Value(True), held=F("role"))
        .values_list("direct", "held")
        .union(by_house.order_by().annotate(direct=Value(False), held=F("role")).values_list("direct", "held"))
    )
    return frozenset().union(*(ROLES[Role(role)] if direct else in_consortium(Role(role)) for direct, role in rows))


def consortia_visible_to(user: User) -> QuerySet[Consortium]:
    """Those in which a person holds a role, or an organisation of theirs is active; all for the platform's keepers."""
    if user.is_platform_administrator:
        return Consortium.objects.all()
    by_role = ConsortiumRole.objects.filter(user=user).values("consortium")
    by_house = Participation.objects.filter(
        state=ParticipationState.ACTIVE,
        organisation__in=OrganisationRole.objects.filter(user=user).values("organisation"),
    ).values("consortium")
    return Consortium.objects.filter(Q(pk__in=by_role) | Q(pk__in=by_house))


def access_consortium(user: User, consortium_id: UUID | str) -> Consortium:
    """The consortium, for whoever sees it. Raises NotFound alike where it is absent or not theirs."""
    try:
        wanted = consortium_id if isinstance(consortium_id, UUID) else UUID(str(consortium_id))
    except ValueError:
        raise NotFound.of("consortium") from None
    found = consortia_visible_to(user).filter(pk=wanted).first()
    if found is None:
        raise NotFound.of("consortium")
    return found


def active_organisations(consortium: Consortium) -> QuerySet[Organisation]:
    """The organisations that take part now."""
    return Organisation.objects.filter(
        participations__consortium=consortium, participations__state=ParticipationState.ACTIVE
    )
