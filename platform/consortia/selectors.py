"""Who sees which consortium, and what they may do in it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import F, Q, QuerySet, Value

from accounts.models import Organisation, OrganisationRole, User
from accounts.permissions import ROLES, Permission, Role, in_consortium, organisation_roles_allowing, roles_allowing
from accounts.selectors import (
    organisation_permissions_of,
    organisations_of,
    organisations_where,
    platform_permissions_of,
)
from audit.models import ActorKind, Event
from consortia.models import Consortium, ConsortiumRole, ConsortiumRoleOffer, Invitation, Participation
from consortia.transitions import ParticipationState
from rest.errors import Unprocessable


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
    by_organisation = OrganisationRole.objects.filter(
        user=user,
        organisation__participations__consortium=consortium,
        organisation__participations__state=ParticipationState.ACTIVE,
    )
    rows = (
        direct.order_by()
        .annotate(direct=Value(True), held=F("role"))
        .values_list("direct", "held")
        .union(by_organisation.order_by().annotate(direct=Value(False), held=F("role")).values_list("direct", "held"))
    )
    return frozenset().union(*(ROLES[Role(role)] if direct else in_consortium(Role(role)) for direct, role in rows))


def consortia_visible_to(user: User) -> QuerySet[Consortium]:
    """Those in which a person holds a role, or an organisation of theirs is active; all for the platform's
    administrators.
    """
    if user.is_platform_administrator:
        return Consortium.objects.all()
    by_role = ConsortiumRole.objects.filter(user=user).values("consortium")
    by_organisation = Participation.objects.filter(
        state=ParticipationState.ACTIVE,
        organisation__in=OrganisationRole.objects.filter(user=user).values("organisation"),
    ).values("consortium")
    return Consortium.objects.filter(Q(pk__in=by_role) | Q(pk__in=by_organisation))


def _where_active(held: QuerySet[OrganisationRole]) -> QuerySet[Participation, Any]:
    """The consortia in which the organisations of these roles take part now."""
    organisations = held.values("organisation")
    active = Participation.objects.filter(state=ParticipationState.ACTIVE, organisation__in=organisations)
    return active.values("consortium")


def consortia_where(user: User, permission: Permission) -> QuerySet[Consortium]:
    """Those in which a person may do something."""
    if permission in platform_permissions_of(user):
        return Consortium.objects.all()
    held = ConsortiumRole.objects.filter(user=user, role__in=roles_allowing(permission)).values("consortium")
    organisations = OrganisationRole.objects.filter(user=user, role__in=organisation_roles_allowing(permission)).values(
        "organisation"
    )
    by_organisation = Participation.objects.filter(
        state=ParticipationState.ACTIVE, organisation__in=organisations
    ).values("consortium")
    return Consortium.objects.filter(Q(pk__in=held) | Q(pk__in=by_organisation))


def active_organisations(consortium_id: UUID) -> QuerySet[Organisation]:
    """The organisations that take part now."""
    return Organisation.objects.filter(
        participations__consortium=consortium_id, participations__state=ParticipationState.ACTIVE
    )


def people_in(consortium: Consortium) -> QuerySet[User]:
    """Everyone who holds a role in it, or in an organisation that takes part now."""
    here = ConsortiumRole.objects.filter(consortium=consortium)
    at_home = OrganisationRole.objects.filter(organisation__in=active_organisations(consortium.id))
    by_role = Q(pk__in=here.values("user")) | Q(pk__in=at_home.values("user"))
    return User.objects.filter(by_role, is_active=True).order_by()


def invitations_visible_to(user: User) -> QuerySet[Invitation]:
    """Those to a person's organisations, and those of consortia for which they may invite."""
    return Invitation.objects.select_related(
        "participation__consortium", "participation__organisation", "invited_by"
    ).filter(
        Q(participation__organisation__in=organisations_of(user))
        | Q(participation__consortium__in=consortia_where(user, Permission.PARTICIPANT_INVITE))
    )


def events_visible_to(user: User) -> QuerySet[Event]:
    """What happened where a person may read the record, and what they did themselves."""
    if Permission.EVENT_VIEW in platform_permissions_of(user):
        return Event.objects.all()
    return Event.objects.filter(
        Q(consortium_id__in=consortia_where(user, Permission.EVENT_VIEW).values("pk"))
        | Q(organisation_id__in=organisations_where(user, Permission.EVENT_VIEW).values("pk"))
        | Q(actor_kind=ActorKind.USER, actor_id=user.actor_id)
    )


def organisation_with(slug: str) -> Organisation:
    """The organisation of this slug, to be invited. Raises Unprocessable `organisation.unknown`."""
    found = Organisation.objects.filter(slug=slug).first()
    if found is None:
        raise Unprocessable(
            "organisation.unknown",
            "No organisation has this short name. It stands on the organisation's own page.",
            "organisation",
        )
    return found


def open_role_offers_of(consortium: Consortium) -> QuerySet[ConsortiumRoleOffer]:
    """Roles in it that wait for somebody's word."""
    return ConsortiumRoleOffer.objects.filter(consortium=consortium, answer="").select_related("user")


def open_role_offers_to(user: User) -> QuerySet[ConsortiumRoleOffer]:
    """Roles in consortia that wait for this person's word."""
    return ConsortiumRoleOffer.objects.filter(user=user, answer="").select_related("consortium", "offered_by")


def invitations_to_answer(user: User) -> QuerySet[Invitation]:
    """Open ones that a person may answer for an organisation of theirs."""
    organisations = organisations_where(user, Permission.INVITATION_ANSWER)
    return invitations_visible_to(user).filter(answer="", participation__organisation__in=organisations)


def open_invitations_of(consortium: Consortium) -> QuerySet[Invitation]:
    """Those that wait for an answer."""
    return Invitation.objects.filter(participation__consortium=consortium, answer="").select_related(
        "participation__organisation", "invited_by"
    )


def organisations_that_may_leave(user: User, consortium: Consortium) -> QuerySet[Organisation]:
    """Those that take part now, and for which a person may say that they leave."""
    return active_organisations(consortium.id).filter(pk__in=organisations_where(user, Permission.CONSORTIUM_LEAVE))
