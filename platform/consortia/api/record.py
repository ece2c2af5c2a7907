"""REST: the record of what happened, and who you are."""

from __future__ import annotations

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import access_organisation, signed_in
from accounts.models import Scope
from accounts.permissions import Permission
from audit.filters import EventFilter
from audit.models import Event
from audit.serializers import EventOut
from consortia.access import access_consortium
from consortia.identity import identity_of
from consortia.selectors import events_visible_to
from consortia.serializers import Me
from rest.serializers import uuid_parameter


class Events(ListAPIView[Event]):
    """What happened, newest first: where you may read the record, and what you did yourself."""

    scopes = {"GET": Scope.EVENTS_READ}
    queryset = Event.objects.none()
    serializer_class = EventOut
    filterset_class = EventFilter

    def get_queryset(self) -> QuerySet[Event]:
        """Those that the asker may read; anyone who names a consortium or an organisation may read its record."""
        user = signed_in(self.request)
        if consortium_id := uuid_parameter(self.request, "consortium"):
            access_consortium(user, consortium_id, Permission.EVENT_VIEW)
        if organisation_id := uuid_parameter(self.request, "organisation"):
            access_organisation(user, organisation_id, Permission.EVENT_VIEW)
        return events_visible_to(user)


class WhoAmI(APIView):
    """You."""

    scopes = {"GET": Scope.ACCOUNT_READ}

    @extend_schema(responses=Me)
    def get(self, request: Request) -> Response:
        """Who you are, what you belong to, and what you may do there."""
        return Response(Me(identity_of(signed_in(request))).data)
