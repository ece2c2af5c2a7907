"""Which addresses a webhook may lead to: https, a host outside, and nothing that hides an address inside.

What is not for the outside is listed from the registries of IANA (IPv4 and IPv6 Special-Purpose Address Registries, RFC
6890 and what has been added since): `is_global` of Python lets some of it pass, and knows little of IPv6 addresses that
carry an IPv4 address.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from rest.errors import Unprocessable

URL_LENGTH_MAX = 500
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NOT_OUTSIDE_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8",  # this network (RFC 791)
            "10.0.0.0/8",  # private use (RFC 1918)
            "100.64.0.0/10",  # shared address space (RFC 6598)
            "127.0.0.0/8",  # loopback (RFC 1122)
            "169.254.0.0/16",  # link local, where clouds keep their metadata (RFC 3927)
            "172.16.0.0/12",  # private use (RFC 1918)
            "192.0.0.0/24",  # IETF protocol assignments: DS-Lite, 192.0.0.8, .9, .10, NAT64 discovery (RFC 6890, 7335)
            "192.0.2.0/24",  # documentation (RFC 5737)
            "192.31.196.0/24",  # AS112 (RFC 7535)
            "192.52.193.0/24",  # AMT (RFC 7450)
            "192.88.99.0/24",  # 6to4 relays (RFC 7526)
            "192.168.0.0/16",  # private use (RFC 1918)
            "192.175.48.0/24",  # AS112 (RFC 7534)
            "198.18.0.0/15",  # benchmarks (RFC 2544)
            "198.51.100.0/24",  # documentation (RFC 5737)
            "203.0.113.0/24",  # documentation (RFC 5737)
            "224.0.0.0/4",  # multicast (RFC 5771)
            "240.0.0.0/4",  # reserved, and broadcast (RFC 1112, 919)
        ),
    )
)
OUTSIDE_IPV6 = ipaddress.IPv6Network("2000::/3")
"""Global unicast (RFC 4291). What lies beyond it, such as ::/96, fc00::/7, fe80::/10 or 5f00::/16, is never called."""
NOT_OUTSIDE_IPV6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarks, AMT, AS112 (RFC 2928, 4380, 7343)
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4, which carries an IPv4 address (RFC 3056)
            "2620:4f:8000::/48",  # AS112 (RFC 7534)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
CARRIES_IPV4 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
"""Mapped addresses, and those of a NAT64 (RFC 6052): as good as the address that they carry in their last 32 bits."""
_ISATAP = 0x0000_5EFE
"""Bits 64 to 95, but for bit 70, of an address that carries an IPv4 one behind any prefix (RFC 5214, 6.1)."""

_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")


def is_outside(address: Address) -> bool:
    """Whether anybody on the internet may be meant by an address: not inside a network, and no special purpose."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in NOT_OUTSIDE_IPV4)
    if address.scope_id is not None:
        return False
    if any(address in network for network in CARRIES_IPV4):
        return is_outside(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    if (int(address) >> 32) & 0xFDFF_FFFF == _ISATAP:
        return False
    return address in OUTSIDE_IPV6 and not any(address in network for network in NOT_OUTSIDE_IPV6)


def check_ip(address: Address) -> None:
    """Raise Unprocessable ``webhook.private`` for an address that is not called."""
    if not settings.WEBHOOK_ALLOW_PRIVATE and not is_outside(address):
        raise Unprocessable(
            "webhook.private",
            "The address leads into a private network and is not called. Name one that can be reached from outside.",
            "url",
        )


def check_address(url: str) -> None:
    """Raise Unprocessable ``webhook.*`` unless the address may be called, as far as its text shows."""
    if len(url) > URL_LENGTH_MAX or not url.isprintable() or " " in url:
        raise Unprocessable(
            "webhook.address",
            _("An address has at most %(number)s printable characters.") % {"number": URL_LENGTH_MAX},
            "url",
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Unprocessable(
            "webhook.address", "This is no web address. One looks like https://example.org/hook.", "url"
        ) from None
    if parts.scheme != "https" and not (settings.WEBHOOK_ALLOW_PRIVATE and parts.scheme == "http"):
        raise Unprocessable("webhook.address", "The address must begin with https://.", "url")
    if not parts.hostname or parts.username is not None or parts.fragment or port == 0:
        raise Unprocessable("webhook.address", "The address must name a host, and neither user nor fragment.", "url")
    host = host_in(parts)
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        _check_name(host)
    else:
        check_ip(literal)


def host_in(parts: SplitResult) -> str:
    """The host as it is looked up: ASCII, with international names in their IDNA form (RFC 3490)."""
    host = parts.hostname or ""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        raise Unprocessable("webhook.address", "The host's name is not one that can be looked up.", "url") from None


def _check_name(host: str) -> None:
    """A name, and no number: resolvers read 2130706433, 0177.0.0.1 and 0x7f.1 as 127.0.0.1 (as WHATWG URL 3.5 says)."""
    last = host.removesuffix(".").rpartition(".")[2]
    if not _HOST.fullmatch(host) or _NUMBER.fullmatch(last):
        raise Unprocessable(
            "webhook.address",
            "The host must be a name, or an IP address in its usual form, such as 8.8.8.8.",
            "url",
        )
