"""Calling somebody's address with a signed message, and only addresses that are theirs to give.

Source: Standard Webhooks 1.0 (headers, signed content, secret). The address is resolved once, every answer of the
resolver is checked, and the connection is made to exactly the address that was checked (`webhook_calls`): a name that
resolves again to something inside is not followed, nor is any redirect.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from federation.errors import Transient
from monitoring import webhook_calls
from monitoring.models import Notice, Webhook
from monitoring.webhook_addresses import check_address, check_ip, host_in
from monitoring.webhook_calls import Target

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
    """What is reported of a notice: the kind, the words, ids and where to look; no figures and no names of people."""
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


def post(webhook: Webhook, message: dict[str, Any], *, message_id: str) -> None:
    """Send a signed message. Raises Transient ``webhook.failed`` unless it is answered with 2xx, ``webhook.deadline``
    unless that happens within `WEBHOOK_DEADLINE_S`, and Unprocessable ``webhook.*`` for an address that is not called.
    """
    check_address(webhook.url)
    target = _target(urlsplit(webhook.url))
    body, now = json.dumps(message, separators=(",", ":")).encode(), int(time.time())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "consilience-webhook/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": signature(secret_of(webhook), message_id, now, body),
    }
    status = webhook_calls.post(target, body, headers, seconds=settings.WEBHOOK_DEADLINE_S, check=check_ip)
    if not 200 <= status < 300:
        raise Transient("webhook.failed", f"{target.host} answered {status}.")


def _target(parts: SplitResult) -> Target:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    tls = parts.scheme == "https"
    # a path in letters of any script goes out in ASCII; what is escaped already stays as it is (RFC 3986, 2.1)
    return Target(host_in(parts), parts.port or (443 if tls else 80), quote(path, safe="/?&=+%:@!$'()*,;~"), tls)
