"""Content addresses: SHA-256 digests, written ``sha256:<64 hex digits>``."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import BinaryIO

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_BLOCK_BYTES = 1 << 20


def is_digest(text: str) -> bool:
    """Whether the text is a well-formed digest (so that it may become part of a path)."""
    return _DIGEST.fullmatch(text) is not None


def digest_bytes(data: bytes) -> str:
    """The content address of these bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_stream(stream: BinaryIO) -> str:
    """The content address of what is left in the stream, read in blocks."""
    state = hashlib.sha256()
    buffer = bytearray(_BLOCK_BYTES)
    view = memoryview(buffer)
    while count := stream.readinto(buffer):  # type: ignore[attr-defined]
        state.update(view[:count])
    return "sha256:" + state.hexdigest()


def digest_file(path: Path) -> str:
    """The content address of a file, read in blocks."""
    with path.open("rb", buffering=0) as stream:
        return digest_stream(stream)
