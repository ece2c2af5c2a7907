"""Ed25519 keys as the platform, the organisations and the silos hold them (RFC 8032).

A private key on disk is PKCS#8 PEM, readable by its owner only. A public key travels as the base64 of its 32 raw
bytes. The key id names a key everywhere: ``ed25519:`` and the first 32 hex digits of the SHA-256 of the raw bytes.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field

from federation.errors import Invalid, Untrusted
from federation.validation.encodings import strict_base64

KEY_ID_PATTERN = r"^ed25519:[0-9a-f]{32}$"
Encoded = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$", max_length=44)]
"""The base64 of a public key's 32 bytes; of its last digit two bits have nothing to say, and are zero."""
_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P
_ORDER_8 = frozenset(
    bytes.fromhex(y)
    for y in (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
)
"""The y coordinates of the four points of order 8. The other small orders have 0, 1 or p - 1."""


@dataclass(frozen=True)
class PublicKey:
    """Somebody's public half: 32 raw bytes, the only encoding of a point of the curve that has a large order.

    Under a point of small order anybody can make signatures that hold for several messages, so that nothing would be
    shown by one (RFC 8032, 5.1.3 and 5.1.7; Chalkias et al., "Taming the many EdDSAs", 2020).
    """

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:
            raise Invalid("key.invalid", f"An Ed25519 public key has 32 bytes; this one has {len(self.raw)}.")
        if not _is_usable(self.raw):
            raise Invalid("key.invalid", "These 32 bytes are no Ed25519 public key that somebody could hold.")

    @classmethod
    def from_encoded(cls, text: str) -> PublicKey:
        """Read the base64 form. Raises Invalid ``key.invalid``."""
        try:
            return cls(strict_base64(text))
        except Invalid as error:
            raise Invalid("key.invalid", "This is not the base64 of an Ed25519 public key.") from error

    @property
    def encoded(self) -> str:
        """The base64 of the raw bytes."""
        return base64.b64encode(self.raw).decode()

    @cached_property
    def key_id(self) -> str:
        """The name of this key in every envelope."""
        return "ed25519:" + hashlib.sha256(self.raw).hexdigest()[:32]

    @cached_property
    def fingerprint(self) -> str:
        """What two people compare by telephone: eight groups of four hex digits, the digits of the key id."""
        digits = self.key_id.removeprefix("ed25519:")
        return " ".join(digits[start : start + 4] for start in range(0, 32, 4))

    @cached_property
    def _verifier(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raise Untrusted ``signature.invalid`` unless this key signed the message."""
        try:
            self._verifier.verify(signature, message)
        except InvalidSignature as error:
            raise Untrusted("signature.invalid", "The signature does not hold.") from error


@lru_cache(maxsize=4096)
def _is_usable(raw: bytes) -> bool:
    """Whether 32 bytes are the canonical encoding of a point on the curve, and that is none of small order."""
    y = int.from_bytes(raw, "little") & (2**255 - 1)
    if y >= _P or y in (0, 1, _P - 1) or y.to_bytes(32, "little") in _ORDER_8:
        return False
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    return pow(square, (_P - 1) // 2, _P) == 1


class PrivateKey:
    """A signing key. Its bytes appear in no log and no repr."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"<PrivateKey {self.public.key_id}>"

    @classmethod
    def generate(cls) -> PrivateKey:
        """A new key from the operating system's randomness."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, path: Path) -> PrivateKey:
        """Read a PEM file. Raises Invalid ``key.unreadable``."""
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise Invalid(
                "key.unreadable", f"{path} holds no readable private key ({type(error).__name__})."
            ) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise Invalid("key.unreadable", f"{path} holds a key of another kind than Ed25519.")
        return cls(key)

    def save(self, path: Path) -> None:
        """Write a PEM file that only its owner can read; never over an existing one (``key.exists``)."""
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError as error:
            raise Invalid("key.exists", f"{path} is there already; a key is never written over.") from error
        with os.fdopen(handle, "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())

    @classmethod
    def load_or_generate(cls, path: Path) -> PrivateKey:
        """The key at this path, made now if there is none."""
        if not path.exists():
            cls.generate().save(path)
        return cls.load(path)

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of the signature."""
        return self._key.sign(message)

    @property
    def cryptography_key(self) -> Ed25519PrivateKey:
        """The key as pyca/cryptography has it, for libraries that sign by themselves (RFC 9421)."""
        return self._key


def save_public(path: Path, keys: Iterable[PublicKey]) -> None:
    """Write public keys, one base64 line each: readers see the old lines or the new, and who may read stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with partial.open("x") as stream:
        stream.writelines(f"{key.encoded}\n" for key in keys)
        stream.flush()
        os.fsync(stream.fileno())
    partial.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o644)
    partial.replace(path)


def load_public(path: Path) -> tuple[PublicKey, ...]:
    """Read public keys, one base64 line each. Raises Invalid ``key.unreadable``."""
    try:
        lines = path.read_text().split()
    except OSError as error:
        raise Invalid("key.unreadable", f"{path} can't be read ({error.strerror}).") from error
    return tuple(PublicKey.from_encoded(line) for line in lines)
