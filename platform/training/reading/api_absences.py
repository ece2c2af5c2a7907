"""REST: what silos missed, and why."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Scope
from silos.permissions import access_silo
from training.reading.absence_serializers import AbsencesOut
from training.reading.absences import absences_at, absences_of


class _Which(serializers.Serializer[Any]):
    silo = serializers.UUIDField(required=False, help_text="Of this silo alone, which you see.")


class Absences(APIView):
    """Rounds of the last seven days that went on without a silo."""

    scopes = {"GET": Scope.JOBS_READ}
    more_problems = ("404", "422")

    @extend_schema(parameters=[_Which], responses=AbsencesOut)
    def get(self, request: Request) -> Response:
        """Of the silos of your organisations, or of one silo: what became of their orders, why, and what can be done.

        Of another organisation's silo you see what belongs to jobs that you see.
        """
        user = signed_in(request)
        which = _Which(data=request.query_params)
        which.is_valid(raise_exception=True)
        silo_id = which.validated_data.get("silo")
        found = absences_of(user) if silo_id is None else absences_at(access_silo(user, silo_id), user)
        return Response(AbsencesOut({"results": found}).data)
