"""REST: silos and their enrolment."""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import access_organisation, signed_in, signed_in_afresh
from accounts.models import Scope, User
from accounts.permissions import Permission
from rest.idempotency import idempotent
from rest.permissions import SESSION_ONLY
from rest.serializers import validated
from silos import actions, selectors
from silos.filters import SiloFilter
from silos.models import Silo
from silos.permissions import access_silo
from silos.serializers import Confirmation, EnrolmentCodeOut, NewSilo, SiloOut


class Silos(ListAPIView[Silo]):
    """The silos of your organisations and of those that they train with."""

    scopes = {"GET": Scope.SILOS_READ, "POST": Scope.SILOS_WRITE}
    queryset = Silo.objects.none()
    serializer_class = SiloOut
    filterset_class = SiloFilter
    page_ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Silo]:
        """Those that the asker sees."""
        return selectors.silos_visible_to(signed_in(self.request))

    @extend_schema(request=NewSilo, responses={201: SiloOut})
    @idempotent()
    def post(self, request: Request) -> Response:
        """Give a silo of your organisation its name; its connector still has to enrol."""
        user = signed_in(request)
        wanted = validated(NewSilo, request)
        organisation = access_organisation(user, wanted["organisation"], Permission.SILO_ENROL)
        silo = actions.create(organisation=organisation, name=wanted["name"], by=user)
        return _shown(silo, user, 201)


class OneSilo(APIView):
    """A silo."""

    scopes = {"GET": Scope.SILOS_READ}

    @extend_schema(responses=SiloOut)
    def get(self, request: Request, silo_id: UUID) -> Response:
        """Its state, what it is known by, and how it does."""
        return Response(SiloOut(access_silo(signed_in(request), silo_id)).data)


class EnrolmentCodes(APIView):
    """Codes with which a connector presents itself as a silo."""

    scopes = {"POST": Scope.SILOS_WRITE}

    @extend_schema(request=None, responses={201: EnrolmentCodeOut})
    @idempotent(hide=("code",))
    def post(self, request: Request, silo_id: UUID) -> Response:
        """Make a code for one enrolment. It is shown this once; older codes of the silo end."""
        user = signed_in(request)
        silo = access_silo(user, silo_id, Permission.SILO_ENROL)
        code, row = actions.issue_code(silo=silo, by=user)
        by_name = {
            "code": code,
            "expires_at": row.expires_at,
            "platform_url": settings.PUBLIC_URL,
            "platform_key_fingerprint": selectors.platform_keys()[0].fingerprint,
        }
        return Response(EnrolmentCodeOut(by_name).data, status=201)


class SiloConfirmation(APIView):
    """The word of the silo's own organisation that its connector is the right one."""

    scopes = {"POST": SESSION_ONLY}

    @extend_schema(request=Confirmation, responses=SiloOut)
    @idempotent()
    def post(self, request: Request, silo_id: UUID) -> Response:
        """Confirm that the site shows these fingerprints: from now on the connector may work."""
        user = signed_in_afresh(request)
        silo = access_silo(user, silo_id, Permission.SILO_CONFIRM)
        return _shown(actions.confirm(silo=silo, **validated(Confirmation, request), by=user), user)


class SiloRevocation(APIView):
    """The end of a silo's keys."""

    scopes = {"POST": Scope.SILOS_WRITE}

    @extend_schema(request=None, responses=SiloOut)
    @idempotent()
    def post(self, request: Request, silo_id: UUID) -> Response:
        """Revoke its keys and codes. It can be enrolled again, with a new code and new keys."""
        user = signed_in(request)
        silo = access_silo(user, silo_id, Permission.SILO_REVOKE)
        return _shown(actions.revoke(silo=silo, by=user), user)


def _shown(silo: Silo, user: User, status: int = 200) -> Response:
    """The silo as this person sees it now."""
    return Response(SiloOut(access_silo(user, silo.id)).data, status=status)
