"""REST: consortia and the roles in them."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import access_organisation_if_named, signed_in, signed_in_afresh
from accounts.models import Scope
from accounts.permissions import Permission
from accounts.selectors import person_with_email
from consortia.access import access_consortium, access_consortium_role
from consortia.actions import edit_consortium, found_consortium, revoke_consortium_role
from consortia.models import Consortium, ConsortiumRole, ConsortiumRoleOffer
from consortia.role_offers import give_consortium_role
from consortia.selectors import consortia_visible_to
from consortia.serializers import (
    ConsortiumEdit,
    ConsortiumOut,
    ConsortiumRoleOfferOut,
    ConsortiumRoleOut,
    NewConsortium,
    NewConsortiumRole,
)
from rest.idempotency import idempotent
from rest.permissions import SESSION_ONLY
from rest.preconditions import conditional, seen_digest_of, tag
from rest.serializers import validated


class Consortia(ListAPIView[Consortium]):
    """The consortia that you see: by a role in them, or by an organisation of yours that takes part."""

    scopes = {"GET": Scope.CONSORTIA_READ, "POST": Scope.CONSORTIA_WRITE}
    queryset = Consortium.objects.none()
    serializer_class = ConsortiumOut

    def get_queryset(self) -> QuerySet[Consortium]:
        """Those that the asker sees."""
        return consortia_visible_to(signed_in(self.request)).select_related("founded_by")

    @extend_schema(request=NewConsortium, responses={201: ConsortiumOut})
    @idempotent()
    def post(self, request: Request) -> Response:
        """Found one: you become its administrator, your organisation its first member."""
        user = signed_in(request)
        wanted = validated(NewConsortium, request)
        organisation = access_organisation_if_named(user, wanted.pop("organisation", None), Permission.CONSORTIUM_FOUND)
        founded = found_consortium(**wanted, organisation=organisation, by=user)
        return Response(ConsortiumOut(founded).data, status=201)


class OneConsortium(APIView):
    """A consortium that you see."""

    scopes = {"GET": Scope.CONSORTIA_READ, "PATCH": Scope.CONSORTIA_WRITE}

    @extend_schema(responses=ConsortiumOut)
    @conditional
    def get(self, request: Request, consortium_id: UUID) -> Response:
        """The consortium."""
        return _saved(access_consortium(signed_in(request), consortium_id))

    @extend_schema(request=ConsortiumEdit, responses=ConsortiumOut)
    @conditional
    def patch(self, request: Request, consortium_id: UUID) -> Response:
        """Say better what it is for; the slug stays."""
        user = signed_in(request)
        consortium = access_consortium(user, consortium_id, Permission.CONSORTIUM_EDIT)
        known = {"name": consortium.name, "description": consortium.description}
        wanted = known | validated(ConsortiumEdit, request, partial=True)
        with seen_digest_of(request, consortium.description_digest) as seen:
            return _saved(edit_consortium(consortium=consortium, **wanted, seen=seen, by=user))


def _saved(consortium: Consortium) -> Response:
    return Response(ConsortiumOut(consortium).data, headers=tag(consortium.description_digest))


class ConsortiumRoles(ListAPIView[ConsortiumRole]):
    """The roles that people hold in a consortium."""

    scopes = {"GET": Scope.CONSORTIA_READ, "POST": SESSION_ONLY}
    queryset = ConsortiumRole.objects.none()
    serializer_class = ConsortiumRoleOut
    page_ordering = ("-granted_at", "id")

    def get_queryset(self) -> QuerySet[ConsortiumRole]:
        """Those of the consortium."""
        consortium = access_consortium(signed_in(self.request), self.kwargs["consortium_id"])
        return consortium.roles.select_related("user")

    @extend_schema(request=NewConsortiumRole, responses={201: ConsortiumRoleOut, 202: ConsortiumRoleOfferOut})
    @idempotent()
    def post(self, request: Request, consortium_id: UUID) -> Response:
        """Offer a role to somebody who has an account (202); your own is yours at once (201)."""
        user = signed_in_afresh(request)
        consortium = access_consortium(user, consortium_id, Permission.CONSORTIUM_ROLE_GRANT)
        wanted = validated(NewConsortiumRole, request)
        person = person_with_email(wanted["email"])
        given = give_consortium_role(user=person, consortium=consortium, role=wanted["role"], by=user)
        if isinstance(given, ConsortiumRoleOffer):
            return Response(ConsortiumRoleOfferOut(given).data, status=202)
        return Response(ConsortiumRoleOut(given).data, status=201)


class OneConsortiumRole(APIView):
    """A role that somebody holds in a consortium."""

    scopes = {"DELETE": SESSION_ONLY}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, consortium_id: UUID, role_id: UUID) -> Response:
        """Take it back. A consortium keeps one administrator. Takes a fresh second factor."""
        user = signed_in_afresh(request)
        consortium = access_consortium(user, consortium_id, Permission.CONSORTIUM_ROLE_GRANT)
        revoke_consortium_role(granted=access_consortium_role(consortium, role_id), by=user)
        return Response(status=204)
