"""Calling somebody's address with a signed message, and only addresses that are theirs to give.

Source: Standard Webhooks 1.0 (headers, signed content, secret). The address is resolved once, every answer of the
resolver is checked, and the connection is made to exactly the address that was checked: a name that resolves anew to
something inside is not followed, nor is any redirect.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.utils.translation import gettext as _

from federation.errors import Transient
from monitoring.models import Notice, Webhook
from rest.errors import Unprocessable

TIMEOUT_S = 10.0
URL_LENGTH_MAX = 500
_PREFIX = "whsec_"


def secret_of(webhook: Webhook) -> str:
    """The secret that its owner checks signatures with, derived from the platform's own and the webhook's id."""
    info = b"consilience webhook v1 " + webhook.id.bytes
    key = HKDF(hashes.SHA256(), 32, None, info).derive(settings.SECRET_KEY.encode())
    return _PREFIX + base64.b64encode(key).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` for a message."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def message_of(notice: Notice) -> dict[str, Any]:
    """What is told of a notice: the kind, the words, ids and where to look; no figures and no names of people."""
    return {
        "type": notice.kind,
        "timestamp": notice.at.isoformat(),
        "data": {
            "subject": notice.subject,
            "text": notice.text,
            "url": settings.PUBLIC_URL + notice.path,
            "consortium_id": notice.consortium_id and str(notice.consortium_id),
            "organisation_id": notice.organisation_id and str(notice.organisation_id),
            "job_id": notice.job_id and str(notice.job_id),
        },
    }


def trial_of(webhook: Webhook) -> dict[str, Any]:
    """A message that says nothing but that the address can be reached."""
    return {"type": "webhook.trial", "data": {"webhook_id": str(webhook.id)}}


def host_of(url: str) -> str:
    """The host in an address, for the record: the rest may hold a secret."""
    return urlsplit(url).hostname or ""


def check_address(url: str) -> None:
    """Raise Unprocessable ``webhook.address`` unless the address may be called, as far as its text tells."""
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
    try:
        literal = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return
    _check_ip(literal)


def _check_ip(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None) or address
    if not settings.WEBHOOK_ALLOW_PRIVATE and (not mapped.is_global or mapped.is_multicast):
        raise Unprocessable(
            "webhook.private",
            "The address leads into a private network and is not called. Name one that can be reached from outside.",
            "url",
        )


def post(webhook: Webhook, message: dict[str, Any], *, message_id: str) -> None:
    """Send a signed message. Raises Transient ``webhook.failed`` unless it is answered with 2xx."""
    check_address(webhook.url)
    parts = urlsplit(webhook.url)
    body, now = json.dumps(message, separators=(",", ":")).encode(), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "consilience-webhook/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(secret_of(webhook), message_id, now, body),
    }
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    connection = _Pinned(host, port, _resolved(host, port), tls=parts.scheme == "https")
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        status = answer.status
        answer.read(4096)
    except (OSError, http.client.HTTPException) as error:
        raise Transient("webhook.failed", f"{host} could not be called ({type(error).__name__}).") from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise Transient("webhook.failed", f"{host} answered {status}.")


def _resolved(host: str, port: int) -> str:
    """One address of a host, after all of them were found to be in order."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Transient("webhook.failed", f"{host} is not known to the name service.") from error
    for *_rest, address in found:
        _check_ip(ipaddress.ip_address(str(address[0]).partition("%")[0]))
    return str(found[0][4][0])


class _Pinned(http.client.HTTPConnection):
    """A connection to one checked address, under the name by which it was given."""

    def __init__(self, host: str, port: int, address: str, *, tls: bool) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S)
        self._address, self._tls = address, tls

    def connect(self) -> None:
        """Connect to the address that was checked; certificates are checked against the name."""
        self.sock = socket.create_connection((self._address, self.port), TIMEOUT_S)
        if self._tls:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
