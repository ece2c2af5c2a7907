"""Who belongs where, and what they may do there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allauth.mfa.models import Authenticator
from django.db.models import Prefetch, Q, QuerySet
from django.utils import timezone

from accounts.models import ApiToken, Organisation, OrganisationRole, OrganisationRoleOffer, User
from accounts.permissions import ROLES, Permission, Role, roles_allowing
from accounts.second_factor.requirements import needs_second_factor
from audit.models import Event
from rest.errors import Unprocessable


def platform_permissions_of(user: User) -> frozenset[Permission]:
    """What a person may do anywhere."""
    return ROLES[Role.PLATFORM_ADMINISTRATOR] if user.is_platform_administrator else frozenset()


def organisation_permissions_of(user: User, organisation: Organisation) -> frozenset[Permission]:
    """What a person may do in an organisation."""
    roles = OrganisationRole.objects.filter(user=user, organisation=organisation).values_list("role", flat=True)
    return platform_permissions_of(user).union(*(ROLES[Role(role)] for role in roles))


def organisations_of(user: User) -> QuerySet[Organisation]:
    """Those that a person belongs to."""
    return Organisation.objects.filter(pk__in=OrganisationRole.objects.filter(user=user).values("organisation"))


def organisations_visible_to(user: User) -> QuerySet[Organisation]:
    """Those that a person belongs to; all of them for the platform's operator."""
    return Organisation.objects.all() if user.is_platform_administrator else organisations_of(user)


def organisations_where(user: User, permission: Permission) -> QuerySet[Organisation]:
    """Those in which a person may do something."""
    if permission in platform_permissions_of(user):
        return Organisation.objects.all()
    held = OrganisationRole.objects.filter(user=user, role__in=roles_allowing(permission))
    return Organisation.objects.filter(pk__in=held.values("organisation"))


def memberships_of(user: User) -> QuerySet[OrganisationRole]:
    """The roles that a person holds, by organisation."""
    return (
        OrganisationRole.objects.filter(user=user).select_related("organisation").order_by("organisation__name", "role")
    )


def belonged_somewhere(user: User) -> bool:
    """Whether an organisation made somebody's account, or ever gave them a role."""
    granted = Event.objects.filter(
        subject_kind="user", subject_id=str(user.pk), verb="organisation_role.granted", organisation_id__isnull=False
    )
    return user.home_id is not None or granted.exists()


def people_of(organisation: Organisation) -> QuerySet[User]:
    """Everyone who holds a role in it, with those roles as `roles_here`."""
    here = OrganisationRole.objects.filter(organisation=organisation).order_by("role")
    return User.objects.filter(pk__in=here.values("user")).prefetch_related(
        Prefetch("organisation_roles", queryset=here, to_attr="roles_here")
    )


def open_role_offers_of(organisation: Organisation) -> QuerySet[OrganisationRoleOffer]:
    """Roles in it that wait for somebody's word."""
    return OrganisationRoleOffer.objects.filter(organisation=organisation, answer="").select_related("user")


def open_role_offers_to(user: User) -> QuerySet[OrganisationRoleOffer]:
    """Roles in organisations that wait for this person's word."""
    offers = OrganisationRoleOffer.objects.filter(user=user, answer="")
    return offers.select_related("organisation", "offered_by")


def users_visible_to(user: User) -> QuerySet[User]:
    """Oneself, one's colleagues, and whose accounts one's organisation made; everybody for the platform's operator.

    Who holds no role in an organisation yet is seen by those who could make their account, and by nobody else in it.
    """
    if user.is_platform_administrator:
        return User.objects.all()
    colleagues = OrganisationRole.objects.filter(organisation__in=organisations_of(user)).values("user")
    at_home = Q(home__in=organisations_where(user, Permission.USER_CREATE))
    return User.objects.filter(Q(pk=user.pk) | Q(pk__in=colleagues) | at_home)


def person_with_email(email: str) -> User:
    """The person who signs in with this address. Raises Unprocessable `user.unknown`."""
    found = User.objects.with_address(email)
    if found is None or not found.is_active:
        raise Unprocessable(
            "user.unknown",
            "Nobody has an account with this e-mail address. An administrator of their organisation makes one.",
            "email",
        )
    return found


@dataclass(frozen=True)
class FactorRow:
    """Somebody's second factor, as their own page shows it."""

    since: datetime | None
    used_at: datetime | None
    codes_left: int
    is_required: bool


def second_factor_of(user: User) -> FactorRow:
    """Since when they have one, and how many recovery codes are left."""
    factors = {factor.type: factor for factor in Authenticator.objects.filter(user=user)}
    app, codes = factors.get(Authenticator.Type.TOTP), factors.get(Authenticator.Type.RECOVERY_CODES)
    return FactorRow(
        since=app.created_at if app else None,
        used_at=app.last_used_at if app else None,
        codes_left=len(codes.wrap().get_unused_codes()) if codes else 0,
        is_required=needs_second_factor(user),
    )


def usable_tokens_of(user: User) -> QuerySet[ApiToken]:
    """Their tokens that work now."""
    return user.api_tokens.filter(revoked_at__isnull=True, expires_at__gt=timezone.now())
