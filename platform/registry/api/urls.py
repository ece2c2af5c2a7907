"""The addresses of models under `/api/v1/`."""

from django.urls import path

from registry.api.models import (
    Models,
    ModelVersions,
    OneModel,
    OneVersion,
    VersionCard,
    VersionDownload,
    VersionPassport,
    VersionRelease,
)

_VERSION = "model-versions/<uuid:version_id>/"

urlpatterns = [
    path("models/", Models.as_view(), name="api-models"),
    path("models/<uuid:model_id>/", OneModel.as_view(), name="api-model"),
    path("models/<uuid:model_id>/versions/", ModelVersions.as_view(), name="api-model-versions"),
    path(_VERSION, OneVersion.as_view(), name="api-model-version"),
    path(f"{_VERSION}card/", VersionCard.as_view(), name="api-model-version-card"),
    path(f"{_VERSION}passport/", VersionPassport.as_view(), name="api-model-version-passport"),
    path(f"{_VERSION}release/", VersionRelease.as_view(), name="api-model-version-release"),
    path(f"{_VERSION}download/", VersionDownload.as_view(), name="api-model-version-download"),
]
