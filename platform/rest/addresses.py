"""Where a request comes from, as far as that can be believed."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle


def address_of(request: HttpRequest) -> str:
    """The peer's address; behind our own proxy, what that one saw. A header that anybody may send is nothing."""
    return str(BaseThrottle().get_ident(request) or "")  # type: ignore[arg-type]
