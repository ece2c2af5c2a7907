"""Answers that are files to be saved: never shown or run by a browser, never kept by what lies between."""

from __future__ import annotations

from django.http import HttpResponse


def attachment(content: bytes | str, name: str, content_type: str) -> HttpResponse:
    """The file under a name of ours, which needs no quoting."""
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return HttpResponse(content, content_type=content_type, headers=headers)
