"""The OpenAPI document, and the page that shows it; both from our own origin."""

from __future__ import annotations

import json
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

MEDIA_TYPE = "application/vnd.oai.openapi+json"


@cache
def schema_document() -> bytes:
    """The document, made once in the life of a process."""
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return json.dumps(document, indent=2, sort_keys=False, default=str).encode() + b"\n"


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """The document, for anybody: it describes how to ask, not what is there."""
    return HttpResponse(schema_document(), content_type=MEDIA_TYPE, headers={"Cache-Control": "public, max-age=300"})


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The document to read and to try out, as anyone who signed in."""
    policy = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'"
    page = render(request, "rest/docs.html")
    page.headers["Content-Security-Policy"] = f"{policy}; frame-ancestors 'none'"
    return page
