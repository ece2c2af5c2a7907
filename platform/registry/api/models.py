"""REST: models, their versions, cards and weights."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Scope
from accounts.permissions import Permission
from registry import selectors
from registry.actions import note_download
from registry.cards import card_of
from registry.download import open_weights, stream_weights
from registry.filters import ModelFilter, VersionFilter
from registry.models import Model, ModelVersion, ReleaseConfirmation
from registry.permissions import access_model, access_version, access_version_to_confirm
from registry.release import check_release, confirm_release, missing
from registry.selectors import passport_of
from registry.serializers import CardOut, ModelDetailOut, ModelOut, VersionOut
from rest.idempotency import idempotent


class Models(ListAPIView[Model]):
    """The models of your consortia, newest first."""

    scopes = {"GET": Scope.MODELS_READ}
    queryset = Model.objects.none()
    serializer_class = ModelOut
    filterset_class = ModelFilter
    page_ordering = ("-created_at", "id")

    def get_queryset(self) -> QuerySet[Model]:
        """Those that the asker sees."""
        return selectors.models_visible_to(signed_in(self.request))


class OneModel(APIView):
    """A model."""

    scopes = {"GET": Scope.MODELS_READ}

    @extend_schema(responses=ModelDetailOut)
    def get(self, request: Request, model_id: UUID) -> Response:
        """Its family, its shape, and the data that it takes."""
        return Response(ModelDetailOut(access_model(signed_in(request), model_id)).data)


class ModelVersions(ListAPIView[ModelVersion]):
    """The versions of a model, one a round, in their order. Round 0 is the model as it started."""

    scopes = {"GET": Scope.MODELS_READ}
    queryset = ModelVersion.objects.none()
    serializer_class = VersionOut
    filterset_class = VersionFilter
    page_ordering = ("round_number", "id")

    def get_queryset(self) -> QuerySet[ModelVersion]:
        """Those of the model."""
        model = access_model(signed_in(self.request), self.kwargs["model_id"])
        return ModelVersion.objects.filter(model=model)


class OneVersion(APIView):
    """A model's weights after a round."""

    scopes = {"GET": Scope.MODELS_READ}

    @extend_schema(responses=VersionOut)
    def get(self, request: Request, version_id: UUID) -> Response:
        """What it is and how well it did."""
        return Response(VersionOut(access_version(signed_in(request), version_id)).data)


class VersionCard(APIView):
    """What goes with a model's weights."""

    scopes = {"GET": Scope.MODELS_READ}

    @extend_schema(responses=CardOut)
    def get(self, request: Request, version_id: UUID) -> Response:
        """Architecture, preprocessing, metrics and lineage: job, manifest, round, participants."""
        return Response(card_of(access_version(signed_in(request), version_id)))


class BinaryRenderer(JSONRenderer):
    """For clients that ask for bytes; an error is reported in JSON all the same."""

    media_type = "application/octet-stream"
    format = "binary"


class VersionDownload(APIView):
    """A model's weights."""

    scopes = {"GET": Scope.MODELS_READ}
    renderer_classes = (JSONRenderer, BinaryRenderer)
    http_method_names = ("get",)
    more_problems = ("410",)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, version_id: UUID) -> StreamingHttpResponse:
        """The weights as safetensors; their digest is in the ETag and in the card."""
        user = signed_in(request)
        version = access_version(user, version_id, Permission.MODEL_DOWNLOAD)
        check_release(version, user)
        weights = open_weights(version)
        note_download(version=version, by=user)
        return stream_weights(version, weights)


class VersionPassport(APIView):
    """What the platform signed about a model's weights."""

    scopes = {"GET": Scope.MODELS_READ}
    more_problems = ("409",)

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.OBJECT})
    def get(self, request: Request, version_id: UUID) -> HttpResponse:
        """A DSSE envelope with an in-toto statement: job, round, manifest, agreement, whose answers made the weights.

        It is signed within a minute of the version being tried by the silos; until then 409 `passport.not_yet`.
        """
        version = access_version(signed_in(request), version_id)
        headers = {"Content-Disposition": f'attachment; filename="{version.id}.passport.json"'}
        return HttpResponse(passport_of(version), content_type="application/json", headers=headers)


class ReleaseOut(serializers.Serializer[ReleaseConfirmation]):
    """A member's word that a version may be released."""

    organisation = serializers.CharField(source="organisation.name")
    at = serializers.DateTimeField()
    missing = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_missing(self, confirmation: ReleaseConfirmation) -> list[str]:
        """Members that have yet to confirm."""
        return list(missing(confirmation.version))


class VersionRelease(APIView):
    """A member lets a version be released."""

    scopes = {"POST": Scope.AGREEMENTS_WRITE}

    @extend_schema(request=None, responses={201: ReleaseOut})
    @idempotent()
    def post(self, request: Request, version_id: UUID) -> Response:
        """Confirm for your organisation, whose steward you are, where the agreement asks every member to."""
        user = signed_in(request)
        version, member_organisation = access_version_to_confirm(user, version_id)
        made = confirm_release(version=version, organisation=member_organisation, by=user)
        return Response(ReleaseOut(made).data, status=201)
