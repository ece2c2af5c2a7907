"""Secrets of second factors as they are stored: under a key that the database does not have."""

from __future__ import annotations

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from federation.errors import Untrusted

_INFO = b"consilience/second-factor/v1"
_VERSION = "v1."
_NONCE_BYTES = 12


def encrypt(text: str) -> str:
    """The text under AES-256-GCM, with a key derived from SECRET_KEY."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(_key()).encrypt(nonce, text.encode(), _INFO)
    return _VERSION + base64.b64encode(nonce + sealed).decode()


def unseal(sealed: str) -> str:
    """What was sealed. Raises Untrusted `second_factor.other_key`, as after a change of SECRET_KEY."""
    try:
        if not sealed.startswith(_VERSION):
            raise ValueError("another version")
        raw = base64.b64decode(sealed.removeprefix(_VERSION), validate=True)
        return AESGCM(_key()).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _INFO).decode()
    except (InvalidTag, ValueError) as error:
        raise Untrusted(
            "second_factor.other_key",
            ("This second factor was stored under another SECRET_KEY; the platform's operator resets it."),
        ) from error


def _key() -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=_INFO).derive(settings.SECRET_KEY.encode())
