"""The addresses under `/api/v1/`; each app names its own."""

from django.urls import URLPattern, URLResolver, include, path

from rest import openapi

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("accounts.api.urls")),
    path("", include("consortia.api.urls")),
    path("", include("silos.api.urls")),
    path("", include("agreements.api.urls")),
    path("", include("plans.api.urls")),
    path("", include("registry.api.urls")),
    path("", include("training.api_urls")),
    path("", include("evidence.api_urls")),
    path("schema/", openapi.schema, name="api-schema"),
    path("docs/", openapi.docs, name="api-docs"),
]
