"""REST: roles in organisations that wait for the word of the person to whom they are offered."""

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
    access_own_role_offer,
    access_role_offer,
    signed_in,
    signed_in_afresh,
)
from accounts.models import OrganisationRoleOffer, Scope
from accounts.permissions import Permission
from accounts.role_offers import accept, decline, withdraw
from accounts.selectors import open_role_offers_of, open_role_offers_to
from accounts.serializers import OrganisationRoleOfferOut, OrganisationRoleOut
from rest.idempotency import idempotent
from rest.permissions import SESSION_ONLY


class OffersToMe(ListAPIView[OrganisationRoleOffer]):
    """Roles in organisations that you are offered and have not answered."""

    scopes = {"GET": Scope.ACCOUNT_READ}
    queryset = OrganisationRoleOffer.objects.none()
    serializer_class = OrganisationRoleOfferOut
    page_ordering = ("-offered_at", "id")

    def get_queryset(self) -> QuerySet[OrganisationRoleOffer]:
        """The asker's."""
        return open_role_offers_to(signed_in(self.request)).select_related("user")


class AcceptOffer(APIView):
    """The answer yes."""

    scopes = {"POST": SESSION_ONLY}

    @extend_schema(request=None, responses={201: OrganisationRoleOut})
    @idempotent()
    def post(self, request: Request, offer_id: UUID) -> Response:
        """Take a role that you are offered. It may ask for a second factor from then on."""
        user = signed_in_afresh(request)
        granted = accept(offer=access_own_role_offer(user, offer_id), by=user)
        return Response(OrganisationRoleOut(granted).data, status=201)


class DeclineOffer(APIView):
    """The answer no."""

    scopes = {"POST": SESSION_ONLY}

    @extend_schema(request=None, responses=OrganisationRoleOfferOut)
    @idempotent()
    def post(self, request: Request, offer_id: UUID) -> Response:
        """Decline a role that you are offered. It can be offered again."""
        user = signed_in_afresh(request)
        return Response(OrganisationRoleOfferOut(decline(offer=access_own_role_offer(user, offer_id), by=user)).data)


class OffersOfOrganisation(ListAPIView[OrganisationRoleOffer]):
    """Roles in an organisation that people are offered and have not answered."""

    scopes = {"GET": Scope.ORGANISATIONS_READ}
    queryset = OrganisationRoleOffer.objects.none()
    serializer_class = OrganisationRoleOfferOut
    page_ordering = ("-offered_at", "id")

    def get_queryset(self) -> QuerySet[OrganisationRoleOffer]:
        """Those of the organisation."""
        organisation = access_organisation(signed_in(self.request), self.kwargs["organisation_id"])
        return open_role_offers_of(organisation).select_related("organisation")


class OneOfferOfOrganisation(APIView):
    """A role that somebody is offered in an organisation."""

    scopes = {"DELETE": SESSION_ONLY}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, organisation_id: UUID, offer_id: UUID) -> Response:
        """Take the offer back, before it is answered."""
        user = signed_in_afresh(request)
        organisation = access_organisation(user, organisation_id, Permission.ORGANISATION_ROLE_GRANT)
        withdraw(offer=access_role_offer(organisation, offer_id), by=user)
        return Response(status=204)
