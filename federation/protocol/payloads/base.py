"""What a kind of payload is to both sides, and what several kinds share."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, Protocol

from federation.errors import Invalid
from federation.protocol.documents.protection import Protection
from federation.protocol.tensors import Layout
from federation.sentences import Sentence


class PayloadKind(Protocol):
    """One kind of payload: how large it may be, and what its head must say."""

    name: str
    """As grants and answers say it."""

    def size_bytes_max(self, layout: Layout, protection: Protection) -> int:
        """How many bytes one has at most, in a job of this layout under this protection.

        Raises Invalid ``payload.protection`` where the kind does not belong to the protection.
        """
        ...

    def check(self, file: BinaryIO, layout: Layout, protection: Protection) -> None:
        """Raise Invalid with a stable code unless a seekable file is one, by its head and its length.

        Values are not looked at: a sum is checked where it is made.
        """
        ...


def typed_header(entries: Sequence[tuple[str, str, Sequence[int], int]]) -> bytes:
    """The one head of a safetensors file of these tensors (name, dtype, shape, bytes), padded to 8 bytes."""
    written: dict[str, Any] = {}
    begin = 0
    for name, dtype, shape, size_bytes in entries:
        written[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, begin + size_bytes]}
        begin += size_bytes
    text = json.dumps(written, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def check_header(file: BinaryIO, expected: bytes, data_bytes: int) -> None:
    """Raise Invalid unless a file has exactly this head and so many bytes after it.

    Raises:
        Invalid: ``payload.length`` for another length, ``payload.layout`` for another head.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size_bytes != len(expected) + data_bytes:
        form = "It has %(size)s bytes, not %(expected)s."
        raise Invalid("payload.length", Sentence(form, size=size_bytes, expected=len(expected) + data_bytes))
    if read_exactly(file, len(expected)) != expected:
        raise Invalid("payload.layout", "Its head is not that of the job's layout.")


def read_exactly(file: BinaryIO, count: int) -> bytes:
    """So many bytes. Raises Invalid ``payload.length`` where the file ends before."""
    data = b""
    while len(data) < count:
        part = file.read(count - len(data))
        if not part:
            raise Invalid("payload.length", "It ends too early.")
        data += part
    return data
