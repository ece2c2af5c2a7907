"""Where a request comes from, as far as that can be believed."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

NOWHERE = "::"


def ip_of(request: HttpRequest) -> str:
    """The same, but always an IP address that the database takes; `::` where there is none, as behind a Unix socket."""
    plain = address_of(request).partition("%")[0]
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return NOWHERE


def address_of(request: HttpRequest) -> str:
    """The peer's address; behind our own proxy, what that one saw. A header that anybody may send is nothing."""
    return str(BaseThrottle().get_ident(request) or "")  # type: ignore[arg-type]


def address_in(scope: Mapping[str, Any]) -> str:
    """The same for a request that Django has not seen."""
    request = HttpRequest()
    request.META["REMOTE_ADDR"] = (scope.get("client") or [""])[0]
    forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    if forwarded:
        request.META["HTTP_X_FORWARDED_FOR"] = ",".join(forwarded)
    return address_of(request)
