"""REST: roles in consortia that wait for the word of the person to whom they are offered."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in, signed_in_afresh
from accounts.models import Scope
from accounts.permissions import Permission
from consortia.access import access_consortium, access_own_role_offer, access_role_offer
from consortia.models import ConsortiumRoleOffer
from consortia.offer_endings import decline, withdraw
from consortia.role_offers import accept
from consortia.selectors import open_role_offers_of, open_role_offers_to
from consortia.serializers import ConsortiumRoleOfferOut, ConsortiumRoleOut
from rest.idempotency import idempotent
from rest.permissions import SESSION_ONLY


class ConsortiumOffersToMe(ListAPIView[ConsortiumRoleOffer]):
    """Roles in consortia that you are offered and have not answered."""

    scopes = {"GET": Scope.ACCOUNT_READ}
    queryset = ConsortiumRoleOffer.objects.none()
    serializer_class = ConsortiumRoleOfferOut
    page_ordering = ("-offered_at", "id")

    def get_queryset(self) -> QuerySet[ConsortiumRoleOffer]:
        """The asker's."""
        return open_role_offers_to(signed_in(self.request)).select_related("user")


class AcceptConsortiumOffer(APIView):
    """The answer yes."""

    scopes = {"POST": SESSION_ONLY}

    @extend_schema(request=None, responses={201: ConsortiumRoleOut})
    @idempotent()
    def post(self, request: Request, offer_id: UUID) -> Response:
        """Take a role that you are offered. It may ask for a second factor from then on."""
        user = signed_in_afresh(request)
        granted = accept(offer=access_own_role_offer(user, offer_id), by=user)
        return Response(ConsortiumRoleOut(granted).data, status=201)


class DeclineConsortiumOffer(APIView):
    """The answer no."""

    scopes = {"POST": SESSION_ONLY}

    @extend_schema(request=None, responses=ConsortiumRoleOfferOut)
    @idempotent()
    def post(self, request: Request, offer_id: UUID) -> Response:
        """Decline a role that you are offered. It can be offered again."""
        user = signed_in_afresh(request)
        return Response(ConsortiumRoleOfferOut(decline(offer=access_own_role_offer(user, offer_id), by=user)).data)


class OffersOfConsortium(ListAPIView[ConsortiumRoleOffer]):
    """Roles in a consortium that people are offered and have not answered."""

    scopes = {"GET": Scope.CONSORTIA_READ}
    queryset = ConsortiumRoleOffer.objects.none()
    serializer_class = ConsortiumRoleOfferOut
    page_ordering = ("-offered_at", "id")

    def get_queryset(self) -> QuerySet[ConsortiumRoleOffer]:
        """Those of the consortium."""
        consortium = access_consortium(signed_in(self.request), self.kwargs["consortium_id"])
        return open_role_offers_of(consortium).select_related("consortium")


class OneOfferOfConsortium(APIView):
    """A role that somebody is offered in a consortium."""

    scopes = {"DELETE": SESSION_ONLY}

    @extend_schema(responses={204: None})
    def delete(self, request: Request, consortium_id: UUID, offer_id: UUID) -> Response:
        """Take the offer back, before it is answered."""
        user = signed_in_afresh(request)
        consortium = access_consortium(user, consortium_id, Permission.CONSORTIUM_ROLE_GRANT)
        withdraw(offer=access_role_offer(consortium, offer_id), by=user)
        return Response(status=204)
