"""Short-lived addresses of artefacts: anyone who holds one may fetch, or put, exactly that.

An address carries its expiry and an HMAC-SHA256 over method, subject, bounds and expiry. They are given out inside
signed orders, so that a transfer needs no request signature of its own.
"""

import hashlib
import hmac
import time
from functools import cache
from urllib.parse import urlencode
from uuid import UUID

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from federation.errors import Untrusted

BLOBS, UPLOADS = "/connector/v1/blobs/", "/connector/v1/uploads/"


@cache
def _key() -> bytes:
    return HKDF(hashes.SHA256(), 32, None, b"consilience artefact grant v1").derive(settings.SECRET_KEY.encode())


def _seal(*parts: str) -> str:
    return hmac.new(_key(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def download_url(digest: str, *, expires_at_s: int) -> str:
    """The path at which this blob can be fetched until then (seconds since 1970)."""
    return f"{BLOBS}{digest}?" + urlencode({"exp": expires_at_s, "sig": _seal("get", digest, str(expires_at_s))})


def upload_url(order_id: UUID, name: str, *, size_bytes_max: int, expires_at_s: int) -> str:
    """The path at which one artefact for this output of an order can be put; ``{digest}`` stands for its digest."""
    seal = _seal("put", str(order_id), name, str(size_bytes_max), str(expires_at_s))
    return f"{UPLOADS}{order_id}/{name}/{{digest}}?" + urlencode(
        {"max": size_bytes_max, "exp": expires_at_s, "sig": seal}
    )


def check_download(digest: str, *, expires: str, signature: str) -> None:
    """Raise Untrusted ``grant.invalid`` or ``grant.expired`` unless the address was issued here and is fresh."""
    _check(_seal("get", digest, expires), signature, expires)


def check_upload(order_id: str, name: str, *, size_bytes_max: str, expires: str, signature: str) -> None:
    """The same for an upload."""
    _check(_seal("put", order_id, name, size_bytes_max, expires), signature, expires)


def _check(expected: str, signature: str, expires: str) -> None:
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise Untrusted("grant.invalid", "This address was not handed out by this platform.")
    if int(expires) < time.time():
        raise Untrusted("grant.expired", "This address is no longer valid; the order that carried it has expired.")
