"""REST: accounts, and who is what in an organisation."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import (
    access_organisation,
    access_organisation_if_named,
    access_organisation_role,
    access_user,
    require,
    require_welcome,
    signed_in,
    signed_in_afresh,
)
from accounts.actions import create_user, deactivate_user, reactivate_user, renew_welcome, revoke_role
from accounts.models import OrganisationRole, OrganisationRoleOffer, Scope, User
from accounts.permissions import Permission
from accounts.role_offers import give_role
from accounts.selectors import people_of, person_with_email, users_visible_to
from accounts.serializers import (
    NewOrganisationRole,
    NewUser,
    OrganisationRoleOfferOut,
    OrganisationRoleOut,
    Person,
    UserEdit,
    UserOut,
)
from rest.idempotency import idempotent
from rest.permissions import SESSION_ONLY
from rest.serializers import validated


class Users(ListAPIView[User]):
    """You and your colleagues; everybody for platform administrators."""

    scopes = {"GET": Scope.USERS_READ, "POST": SESSION_ONLY}
    queryset = User.objects.none()
    serializer_class = UserOut

    def get_queryset(self) -> QuerySet[User]:
        """Those that the asker sees."""
        return users_visible_to(signed_in(self.request))

    @extend_schema(request=NewUser, responses={201: UserOut})
    @idempotent()
    def post(self, request: Request) -> Response:
        """Make an account. Its owner is sent a link at which they choose a password. Takes a fresh second factor."""
        user = signed_in_afresh(request)
        wanted = validated(NewUser, request)
        organisation = access_organisation_if_named(user, wanted.pop("organisation", None), Permission.USER_CREATE)
        created = create_user(**wanted, organisation=organisation, by=user)
        return Response(UserOut(created).data, status=201)


class OneUser(APIView):
    """An account."""

    scopes = {"GET": Scope.USERS_READ, "PATCH": SESSION_ONLY}

    @extend_schema(responses=UserOut)
    def get(self, request: Request, user_id: UUID) -> Response:
        """The account."""
        return Response(UserOut(access_user(signed_in(request), user_id)).data)

    @extend_schema(request=UserEdit, responses=UserOut)
    def patch(self, request: Request, user_id: UUID) -> Response:
        """Close or open it (platform administrators). Takes a fresh second factor."""
        user = signed_in_afresh(request)
        person = access_user(user, user_id)
        require(user, Permission.USER_EDIT)
        wanted = validated(UserEdit, request)["is_active"]
        edited = (reactivate_user if wanted else deactivate_user)(user=person, by=user)
        return Response(UserOut(edited).data)


class Welcome(APIView):
    """A new link at which somebody chooses their first password, sent to their own address."""

    scopes = {"POST": SESSION_ONLY}

    @extend_schema(request=None, responses={202: UserOut})
    @idempotent()
    def post(self, request: Request, user_id: UUID) -> Response:
        """Send one: for platform administrators, and for who made an account that nobody has used yet."""
        user = signed_in_afresh(request)
        person = access_user(user, user_id)
        require_welcome(user, person)
        return Response(UserOut(renew_welcome(user=person, by=user)).data, status=202)


class People(ListAPIView[User]):
    """Who belongs to an organisation, and as what."""

    scopes = {"GET": Scope.ORGANISATIONS_READ}
    queryset = User.objects.none()
    serializer_class = Person

    def get_queryset(self) -> QuerySet[User]:
        """Everyone who holds a role in it."""
        return people_of(access_organisation(signed_in(self.request), self.kwargs["organisation_id"]))


class OrganisationRoles(ListAPIView[OrganisationRole]):
    """The roles that people hold in an organisation."""

    scopes = {"GET": Scope.ORGANISATIONS_READ, "POST": SESSION_ONLY}
    queryset = OrganisationRole.objects.none()
    serializer_class = OrganisationRoleOut
    page_ordering = ("-granted_at", "id")

    def get_queryset(self) -> QuerySet[OrganisationRole]:
        """Those of the organisation."""
        organisation = access_organisation(signed_in(self.request), self.kwargs["organisation_id"])
        return organisation.roles.select_related("user")

    @extend_schema(request=NewOrganisationRole, responses={201: OrganisationRoleOut, 202: OrganisationRoleOfferOut})
    @idempotent()
    def post(self, request: Request, organisation_id: UUID) -> Response:
        """Give a role to somebody who has an account: at once (201) where they are at home and
        nowhere else; otherwise it is an offer (202)."""
        user = signed_in_afresh(request)
        organisation = access_organisation(user, organisation_id, Permission.ORGANISATION_ROLE_GRANT)
        wanted = validated(NewOrganisationRole, request)
        person = person_with_email(wanted["email"])
        given = give_role(user=person, organisation=organisation, role=wanted["role"], by=user)
        if isinstance(given, OrganisationRoleOffer):
            return Response(OrganisationRoleOfferOut(given).data, status=202)
        return Response(OrganisationRoleOut(given).data, status=201)


class OneOrganisationRole(APIView):
    """A role that somebody holds in an organisation."""

    scopes = {"DELETE": SESSION_ONLY}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, organisation_id: UUID, role_id: UUID) -> Response:
        """Take it back. An organisation keeps one administrator. Takes a fresh second factor."""
        user = signed_in_afresh(request)
        organisation = access_organisation(user, organisation_id, Permission.ORGANISATION_ROLE_GRANT)
        revoke_role(granted=access_organisation_role(organisation, role_id), by=user)
        return Response(status=204)
