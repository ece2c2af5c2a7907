"""REST: model families and strategies."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Scope
from training.launch import choices


class ChoiceOut(serializers.Serializer[Any]):
    """Something that a job may name, with the JSON Schema of its settings."""

    name = serializers.CharField()
    title = serializers.CharField()
    when_to_use = serializers.CharField()
    settings = serializers.DictField(help_text="JSON Schema")


class ChoicesOut(serializers.Serializer[Any]):
    """All that there are."""

    results = ChoiceOut(many=True)


class FamilyOut(ChoiceOut):
    """A kind of model."""

    targets = serializers.ListField(child=serializers.CharField(), help_text="What it can be asked for.")


class FamiliesOut(serializers.Serializer[Any]):
    """All that there are."""

    results = FamilyOut(many=True)


class ModelFamilies(APIView):
    """The kinds of models that a job may train."""

    scopes = {"GET": Scope.JOBS_READ}

    @extend_schema(responses=FamiliesOut)
    def get(self, request: Request) -> Response:
        """Each with when to use it, and the JSON Schema of what may be stated of it."""
        signed_in(request)
        return Response(FamiliesOut({"results": choices.model_families()}).data)


class Strategies(APIView):
    """What the platform can do with the silos' updates."""

    scopes = {"GET": Scope.JOBS_READ}

    @extend_schema(responses=ChoicesOut)
    def get(self, request: Request) -> Response:
        """Each with when to use it, and the JSON Schema of its settings."""
        signed_in(request)
        return Response(ChoicesOut({"results": choices.strategies()}).data)
