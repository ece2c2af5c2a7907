"""Who belongs where, and what they may do there."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet

from accounts.models import Organisation, OrganisationRole, User
from accounts.permissions import ROLES, Permission, Role
from rest.errors import NotFound


def platform_permissions_of(user: User) -> frozenset[Permission]:
    """What a person may do anywhere."""
    return ROLES[Role.PLATFORM_ADMINISTRATOR] if user.is_platform_administrator else frozenset()


def organisation_permissions_of(user: User, organisation: Organisation) -> frozenset[Permission]:
    """What a person may do in an organisation."""
    roles = OrganisationRole.objects.filter(user=user, organisation=organisation).values_list("role", flat=True)
    return platform_permissions_of(user).union(*(ROLES[Role(role)] for role in roles))


def organisations_visible_to(user: User) -> QuerySet[Organisation]:
    """Those that a person belongs to; all of them for whoever keeps the platform."""
    if user.is_platform_administrator:
        return Organisation.objects.all()
    return Organisation.objects.filter(pk__in=OrganisationRole.objects.filter(user=user).values("organisation"))


def access_organisation(user: User, organisation_id: UUID) -> Organisation:
    """The organisation, for whoever belongs to it. Raises NotFound alike where it is absent or not theirs."""
    found = organisations_visible_to(user).filter(pk=organisation_id).first()
    if found is None:
        raise NotFound.of("organisation")
    return found
