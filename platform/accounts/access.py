"""What doors ask before an action: who is this, may they see this, may they do that."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from rest_framework.request import Request

from accounts.models import ApiToken, Organisation, OrganisationRole, OrganisationRoleOffer, SignatoryKey, User
from accounts.permissions import Permission
from accounts.second_factor.requirements import check_fresh
from accounts.selectors import (
    organisation_permissions_of,
    organisations_visible_to,
    organisations_where,
    platform_permissions_of,
    users_visible_to,
)
from rest.checks import boolean_twin
from rest.errors import Forbidden, Unauthenticated
from rest.lookups import get_or_not_found


def signed_in(request: Request | HttpRequest) -> User:
    """Who asks. Raises Unauthenticated `authentication.required` for a stranger."""
    user: object = request.user
    if isinstance(user, AnonymousUser) or not isinstance(user, User):
        raise Unauthenticated("authentication.required", "Sign in first.")
    return user


def signed_in_afresh(request: Request | HttpRequest) -> User:
    """Who asks, for what others' access hangs on: by a session with a fresh second factor, never by a token.

    Raises Unauthenticated `authentication.required`, Forbidden `scope.session_only` or `second_factor.not_recent`.
    """
    user = signed_in(request)
    if getattr(request, "auth", None) is not None:
        raise Forbidden("scope.session_only", "This is done by somebody who signed in, not by a token.")
    check_fresh(request.session, user)
    return user


def check_allowed(allowed: frozenset[Permission], permission: Permission) -> None:
    """Raise Forbidden `permission.denied` unless the permission is among those allowed."""
    if permission not in allowed:
        raise Forbidden(
            "permission.denied",
            _("None of your roles here allows this (%(permission)s).") % {"permission": permission.value},
        )


def require(user: User, permission: Permission, *, organisation: Organisation | None = None) -> None:
    """Raise Forbidden `permission.denied` unless a role of theirs, there or on the platform, allows it."""
    if organisation is None:
        check_allowed(platform_permissions_of(user), permission)
    else:
        check_allowed(organisation_permissions_of(user, organisation), permission)


may = boolean_twin(require)


def access_organisation(
    user: User, organisation_id: UUID, permission: Permission = Permission.ORGANISATION_VIEW
) -> Organisation:
    """The organisation, for everyone who belongs to it and may do this there.

    Raises NotFound alike where it is absent or not theirs, Forbidden for the rest.
    """
    organisation = get_or_not_found(organisations_visible_to(user).filter(pk=organisation_id), "organisation")
    if permission is not Permission.ORGANISATION_VIEW:
        require(user, permission, organisation=organisation)
    return organisation


def access_organisation_if_named(
    user: User, organisation_id: UUID | None, permission: Permission
) -> Organisation | None:
    """The organisation for which they may do this; None where none is named and they may do it on the platform."""
    if organisation_id is not None:
        return access_organisation(user, organisation_id, permission)
    require(user, permission)
    return None


def access_organisations(user: User, permission: Permission) -> QuerySet[Organisation]:
    """All in which they may do this. Raises Forbidden where there is none and no role on the platform allows it."""
    organisations = organisations_where(user, permission)
    if not organisations.exists():
        require(user, permission)
    return organisations


def access_organisation_role(organisation: Organisation, role_id: UUID) -> OrganisationRole:
    """A role in this organisation. Raises NotFound for one of another."""
    return get_or_not_found(organisation.roles.select_related("user").filter(pk=role_id), "role")


def access_role_offer(organisation: Organisation, offer_id: UUID) -> OrganisationRoleOffer:
    """An offer of a role in this organisation. Raises NotFound for one of another."""
    return get_or_not_found(organisation.role_offers.select_related("user").filter(pk=offer_id), "role offer")


def access_own_role_offer(user: User, offer_id: UUID) -> OrganisationRoleOffer:
    """An offer to this person. Raises NotFound for anybody else's."""
    offers = OrganisationRoleOffer.objects.select_related("organisation")
    return get_or_not_found(offers.filter(user=user, pk=offer_id), "role offer")


def access_signatory_key(organisation: Organisation, signatory_key_id: UUID) -> SignatoryKey:
    """A key of this organisation. Raises NotFound for one of another."""
    return get_or_not_found(organisation.signatory_keys.filter(pk=signatory_key_id), "signatory key")


def access_user(user: User, user_id: UUID) -> User:
    """A person, for themselves, for their colleagues and for the platform's administrators. Raises NotFound
    otherwise.
    """
    return get_or_not_found(users_visible_to(user).filter(pk=user_id), "person")


def require_welcome(user: User, person: User) -> None:
    """Raise Forbidden `permission.denied` unless they may have this person sent a new link to choose a password at.

    It is for the platform's operator, and, while nobody has ever used the account, for who could make it: an
    administrator of the organisation for which it was made. The link goes to the person's own address alone.
    """
    if may(user, Permission.USER_EDIT):
        return
    if person.has_been_used or person.home is None or person.is_platform_administrator:
        raise Forbidden("permission.denied", "The platform's operator can do this.")
    require(user, Permission.USER_CREATE, organisation=person.home)


may_welcome = boolean_twin(require_welcome)


def access_token(user: User, token_id: UUID) -> ApiToken:
    """One's own token. Raises NotFound for anybody else's."""
    return get_or_not_found(user.api_tokens.filter(pk=token_id), "token")
