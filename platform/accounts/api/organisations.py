"""REST: organisations and their signatory keys."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import access_organisation, access_signatory_key, require, signed_in, signed_in_afresh
from accounts.actions import add_signatory_key, create_organisation, edit_organisation, revoke_signatory_key
from accounts.models import Organisation, Scope, SignatoryKey
from accounts.permissions import Permission
from accounts.selectors import organisations_visible_to
from accounts.serializers import (
    NewOrganisation,
    NewSignatoryKey,
    OrganisationEdit,
    OrganisationOut,
    SignatoryKeyOut,
)
from federation.protocol.keys import PublicKey
from rest.idempotency import idempotent
from rest.permissions import SESSION_ONLY
from rest.preconditions import conditional, seen_digest_of, tag
from rest.serializers import validated


class Organisations(ListAPIView[Organisation]):
    """The organisations that you belong to; all of them for platform administrators."""

    scopes = {"GET": Scope.ORGANISATIONS_READ, "POST": Scope.ORGANISATIONS_WRITE}
    queryset = Organisation.objects.none()
    serializer_class = OrganisationOut

    def get_queryset(self) -> QuerySet[Organisation]:
        """Those that the asker sees."""
        return organisations_visible_to(signed_in(self.request))

    @extend_schema(request=NewOrganisation, responses={201: OrganisationOut})
    @idempotent()
    def post(self, request: Request) -> Response:
        """Take an organisation onto the platform (platform administrators)."""
        user = signed_in(request)
        require(user, Permission.ORGANISATION_CREATE)
        organisation = create_organisation(**validated(NewOrganisation, request), by=user)
        return Response(OrganisationOut(organisation).data, status=201)


class OneOrganisation(APIView):
    """An organisation that you belong to."""

    scopes = {"GET": Scope.ORGANISATIONS_READ, "PATCH": Scope.ORGANISATIONS_WRITE}

    @extend_schema(responses=OrganisationOut)
    @conditional
    def get(self, request: Request, organisation_id: UUID) -> Response:
        """The organisation."""
        return _saved(access_organisation(signed_in(request), organisation_id))

    @extend_schema(request=OrganisationEdit, responses=OrganisationOut)
    @conditional
    def patch(self, request: Request, organisation_id: UUID) -> Response:
        """Correct what is known of it; the slug stays."""
        user = signed_in(request)
        organisation = access_organisation(user, organisation_id, Permission.ORGANISATION_EDIT)
        known = {name: getattr(organisation, name) for name in ("name", "country", "kind")}
        wanted = known | validated(OrganisationEdit, request, partial=True)
        with seen_digest_of(request, organisation.facts_digest) as seen:
            return _saved(edit_organisation(organisation=organisation, **wanted, seen=seen, by=user))


def _saved(organisation: Organisation) -> Response:
    return Response(OrganisationOut(organisation).data, headers=tag(organisation.facts_digest))


class SignatoryKeys(ListAPIView[SignatoryKey]):
    """The keys by which an organisation signs and signed: at most one of them is active."""

    scopes = {"GET": Scope.ORGANISATIONS_READ, "POST": SESSION_ONLY}
    queryset = SignatoryKey.objects.none()
    serializer_class = SignatoryKeyOut

    def get_queryset(self) -> QuerySet[SignatoryKey]:
        """Those of the organisation."""
        return access_organisation(signed_in(self.request), self.kwargs["organisation_id"]).signatory_keys.all()

    @extend_schema(request=NewSignatoryKey, responses={201: SignatoryKeyOut})
    @idempotent()
    def post(self, request: Request, organisation_id: UUID) -> Response:
        """Register the public half of a key made on the premises. Takes a fresh second factor."""
        user = signed_in_afresh(request)
        organisation = access_organisation(user, organisation_id, Permission.SIGNATORY_KEY_MANAGE)
        public_key = PublicKey.from_encoded(validated(NewSignatoryKey, request)["public_key"])
        added = add_signatory_key(organisation=organisation, public_key=public_key, by=user)
        return Response(SignatoryKeyOut(added).data, status=201)


class OneSignatoryKey(APIView):
    """A key of an organisation."""

    scopes = {"DELETE": SESSION_ONLY}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, organisation_id: UUID, signatory_key_id: UUID) -> Response:
        """Revoke it: the organisation no longer stands by it. It stays listed."""
        user = signed_in_afresh(request)
        organisation = access_organisation(user, organisation_id, Permission.SIGNATORY_KEY_MANAGE)
        revoke_signatory_key(signatory_key=access_signatory_key(organisation, signatory_key_id), by=user)
        return Response(status=204)
