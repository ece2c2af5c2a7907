"""Proxies in front of web: what they say of who asks is believed if it comes from one that the operator named.

The headers are taken out of every request, so that nothing behind this ever reads one: who asks is `scope["client"]`
(Django's REMOTE_ADDR), and whether it came over TLS is `scope["scheme"]`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from realtime.http import Scope, headers_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
OVER_A_SOCKET = "unix"
"""The word for a proxy that reaches web over a Unix socket, where there are no addresses."""
FORWARDED = frozenset(
    (
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-ssl",
        b"x-forwarded-server",
        b"x-real-ip",
        b"x-client-ip",
        b"true-client-ip",
        b"cf-connecting-ip",
    )
)


@dataclass(frozen=True)
class Proxies:
    """The proxies that are believed: their addresses or networks, and whether there is one behind a Unix socket."""

    networks: tuple[Network, ...] = ()
    over_a_socket: bool = False

    @classmethod
    def named(cls, words: Iterable[str]) -> Proxies:
        """From addresses, networks and the word `unix`. Raises ValueError for what is none of them."""
        rows = list(words)
        networks = tuple(ipaddress.ip_network(word) for word in rows if word != OVER_A_SOCKET)
        return cls(networks, OVER_A_SOCKET in rows)

    def include(self, address: Address | None) -> bool:
        """Whether this is one of them."""
        return address is not None and any(address in network for network in self.networks)

    def seen_through(self, scope: Scope) -> dict[str, Any]:
        """A request as its first untrusted hop made it: its client, its scheme, and no header that names hops."""
        seen = dict(scope)
        seen["headers"] = [pair for pair in scope["headers"] if pair[0].lower() not in FORWARDED]
        peer = scope.get("client")
        if not (self.over_a_socket if peer is None else self.include(address_of(peer[0]))):
            return seen
        headers = headers_of(scope)
        if (client := self._client(headers.get("x-forwarded-for", ""))) is not None:
            seen["client"] = (str(client), 0)
        scheme = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip()
        if scheme in {"http", "https"}:
            seen["scheme"] = scheme
        return seen

    def _client(self, hops: str) -> Address | None:
        """The last hop that is no proxy of ours, counted from the right; the left is what the client itself wrote.

        Where an entry can't be read, nothing to its left is believed either.
        """
        found: Address | None = None
        for hop in reversed(hops.split(",")):
            address = address_of(hop.strip())
            if address is None:
                break
            found = address
            if not self.include(address):
                break
        return found


def address_of(text: str) -> Address | None:
    """An address, also with a port behind it (`192.0.2.1:4711`, `[2001:db8::1]:4711`); a mapped one as its IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return (address.version == 6 and address.ipv4_mapped) or address
