"""The authenticator apps of the demo's people: RFC 6238 with SHA-1, six digits, 30 s, as the apps do it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct

STEP_S = 30
_SECRET_BYTES = 20


def new_secret() -> str:
    """What a telephone reads in, in base32."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def code_at(secret: str, at_s: float) -> str:
    """What the app shows at a Unix time."""
    counter = struct.pack(">Q", int(at_s) // STEP_S)
    digest = hmac.digest(base64.b32decode(secret), counter, hashlib.sha1)
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06d}"


def seconds_left(at_s: float) -> int:
    """How long the app goes on showing it."""
    return STEP_S - int(at_s) % STEP_S
