"""Where a request comes from, as far as that can be believed."""

from __future__ import annotations

import ipaddress

from django.http import HttpRequest

NOWHERE = "::"


def ip_of(request: HttpRequest) -> str:
    """The same, but always an IP address that the database takes; `::` where there is none, as behind a Unix socket."""
    plain = address_of(request).partition("%")[0]
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        return NOWHERE


def address_of(request: HttpRequest) -> str:
    """The address of the one who asks; behind a proxy that we trust, what that one saw (`realtime.proxies`)."""
    return str(request.META.get("REMOTE_ADDR") or "")
