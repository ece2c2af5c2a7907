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
)
from accounts.actions import create_user, deactivate_user, grant_role, reactivate_user, renew_welcome, revoke_role
from accounts.models import OrganisationRole, Scope, User
from accounts.permissions import Permission
from accounts.selectors import people_of, person_with_email, users_visible_to
from accounts.serializers import (
    NewOrganisationRole,
    NewUser,
    OrganisationRoleOut,
    Person,
    UserCreated,
    UserEdit,
    UserOut,
    WelcomeAddress,
)
from accounts.welcome import welcome_url
from rest.idempotency import SHOWN_ONCE, idempotent
from rest.permissions import SESSION_ONLY
from rest.serializers import validated


class Users(ListAPIView[User]):
    """You and your colleagues; everybody for platform administrators."""

    scopes = {"GET": Scope.USERS_READ, "POST": Scope.USERS_WRITE}
    queryset = User.objects.none()
    serializer_class = UserOut

    def get_queryset(self) -> QuerySet[User]:
        """Those that the asker sees."""
        return users_visible_to(signed_in(self.request))

    @extend_schema(request=NewUser, responses={201: UserCreated})
    @idempotent(hide=("welcome_url",))
    def post(self, request: Request) -> Response:
        """Make an account. The answer holds the address at which its owner chooses a password; pass it on safely."""
        user = signed_in(request)
        wanted = validated(NewUser, request)
        organisation = access_organisation_if_named(user, wanted.pop("organisation", None), Permission.USER_CREATE)
        created = create_user(**wanted, organisation=organisation, by=user)
        told = {**UserOut(created).data, "welcome_url": welcome_url(created)}
        return Response(told, status=201, headers=SHOWN_ONCE)


class OneUser(APIView):
    """An account."""

    scopes = {"GET": Scope.USERS_READ, "PATCH": Scope.USERS_WRITE}

    @extend_schema(responses=UserOut)
    def get(self, request: Request, user_id: UUID) -> Response:
        """The account."""
        return Response(UserOut(access_user(signed_in(request), user_id)).data)

    @extend_schema(request=UserEdit, responses=UserOut)
    def patch(self, request: Request, user_id: UUID) -> Response:
        """Close or open it (platform administrators)."""
        user = signed_in(request)
        person = access_user(user, user_id)
        require(user, Permission.USER_EDIT)
        wanted = validated(UserEdit, request)["is_active"]
        edited = (reactivate_user if wanted else deactivate_user)(user=person, by=user)
        return Response(UserOut(edited).data)


class Welcome(APIView):
    """A new address at which somebody chooses a password."""

    scopes = {"POST": SESSION_ONLY}

    @extend_schema(request=None, responses={201: WelcomeAddress})
    @idempotent(hide=("welcome_url",))
    def post(self, request: Request, user_id: UUID) -> Response:
        """Make one: for platform administrators, and for who made an account that nobody has used yet."""
        user = signed_in(request)
        person = access_user(user, user_id)
        require_welcome(user, person)
        renew_welcome(user=person, by=user)
        return Response({"welcome_url": welcome_url(person)}, status=201, headers=SHOWN_ONCE)


class People(ListAPIView[User]):
    """Who belongs to an organisation, and as what."""

    scopes = {"GET": Scope.ORGANISATIONS_READ}
    queryset = User.objects.none()
    serializer_class = Person

    def get_queryset(self) -> QuerySet[User]:
        """Whoever holds a role in it."""
        return people_of(access_organisation(signed_in(self.request), self.kwargs["organisation_id"]))


class OrganisationRoles(ListAPIView[OrganisationRole]):
    """The roles that people hold in an organisation."""

    scopes = {"GET": Scope.ORGANISATIONS_READ, "POST": Scope.ORGANISATIONS_WRITE}
    queryset = OrganisationRole.objects.none()
    serializer_class = OrganisationRoleOut
    page_ordering = ("-granted_at", "id")

    def get_queryset(self) -> QuerySet[OrganisationRole]:
        """Those of the organisation."""
        organisation = access_organisation(signed_in(self.request), self.kwargs["organisation_id"])
        return organisation.roles.select_related("user")

    @extend_schema(request=NewOrganisationRole, responses={201: OrganisationRoleOut})
    @idempotent()
    def post(self, request: Request, organisation_id: UUID) -> Response:
        """Grant a role to somebody who has an account."""
        user = signed_in(request)
        organisation = access_organisation(user, organisation_id, Permission.ORGANISATION_ROLE_GRANT)
        wanted = validated(NewOrganisationRole, request)
        person = person_with_email(wanted["email"])
        granted = grant_role(user=person, organisation=organisation, role=wanted["role"], by=user)
        return Response(OrganisationRoleOut(granted).data, status=201)


class OneOrganisationRole(APIView):
    """A role that somebody holds in an organisation."""

    scopes = {"DELETE": Scope.ORGANISATIONS_WRITE}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, organisation_id: UUID, role_id: UUID) -> Response:
        """Take it back. An organisation keeps one administrator."""
        user = signed_in(request)
        organisation = access_organisation(user, organisation_id, Permission.ORGANISATION_ROLE_GRANT)
        revoke_role(granted=access_organisation_role(organisation, role_id), by=user)
        return Response(status=204)
