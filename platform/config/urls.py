"""Every address that Django answers. Long polls, event streams and blobs are answered beside it (asgi.py)."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("dashboards.urls")),
    path("", include("accounts.urls")),
    path("", include("consortia.urls")),
    path("", include("silos.urls")),
    path("", include("registry.urls")),
    path("", include("training.urls")),
    path("", include("monitoring.urls")),
    path("api/v1/", include("config.api")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.not_found"
handler429 = "config.errors.too_many"
handler500 = "config.errors.broken"
