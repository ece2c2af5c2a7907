"""Every address that Django answers. Long polls, event streams and blobs are answered beside it (asgi.py)."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("config.api")),
]
