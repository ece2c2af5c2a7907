"""What trainer and runner say to each other: a head in JSON and a body of raw little-endian arrays, both bounded.

Nothing is unpickled, and nothing is allocated before its size has been compared with what the reader expects.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from federation.errors import Invalid, Transient

_PREFIX = struct.Struct("<4sIQ")
_MAGIC = b"CSP1"
PREFIX_BYTES = _PREFIX.size
HEAD_BYTES_MAX = 64 << 10
OPENING_HEAD_BYTES_MAX = 4 << 20
"""The first frame of a session names all tensors."""
SOURCE_BYTES_MAX = 1 << 20

Read = Callable[[memoryview], int]
"""Fills up a part of a buffer; how much, and 0 when the other side has gone."""


class Gone(Transient):
    """The other side has closed the connection."""

    def __init__(self) -> None:
        super().__init__("frames.closed", "The other side has closed the connection.")


@dataclass(frozen=True)
class Frame:
    """One message."""

    head: dict[str, Any]
    body: bytearray


def encode(head: dict[str, Any], body_bytes: int) -> bytes:
    """All of a frame before its body."""
    text = json.dumps(head, separators=(",", ":")).encode()
    return _PREFIX.pack(_MAGIC, len(text), body_bytes) + text


def receive(read: Read, body_bytes_max: int, head_bytes_max: int = HEAD_BYTES_MAX) -> Frame:
    """Read one frame. Raises Gone, and Invalid ``frames.malformed`` or ``frames.too_large``."""
    magic, head_bytes, body_bytes = _PREFIX.unpack(_exactly(read, PREFIX_BYTES))
    if magic != _MAGIC:
        raise Invalid("frames.malformed", "This is no frame.")
    if head_bytes > head_bytes_max or body_bytes > body_bytes_max:
        raise Invalid("frames.too_large", f"A frame of {head_bytes} and {body_bytes} bytes is larger than it may be.")
    try:
        head = json.loads(_exactly(read, head_bytes))
    except (ValueError, RecursionError) as error:
        raise Invalid("frames.malformed", "The head of a frame can't be read.") from error
    if not isinstance(head, dict):
        raise Invalid("frames.malformed", "The head of a frame is no object.")
    return Frame(head, _exactly(read, body_bytes))


def _exactly(read: Read, count: int) -> bytearray:
    data = bytearray(count)
    view, done = memoryview(data), 0
    while done < count:
        got = read(view[done:])
        if not got:
            raise Gone
        done += got
    return data
