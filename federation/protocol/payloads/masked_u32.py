"""An update under masks: one vector of words modulo 2^32, as long as all parameters together."""

from __future__ import annotations

from typing import BinaryIO

from federation.protocol.documents.protection import Protection
from federation.protocol.payloads.base import check_header, typed_header
from federation.protocol.tensors import WORD_BYTES, Layout, count_parameters

TENSOR = "words"


def header(layout: Layout) -> bytes:
    """The head: one tensor of unsigned words (U32), little endian."""
    count = count_parameters(layout)
    return typed_header([(TENSOR, "U32", (count,), WORD_BYTES * count)])


class MaskedU32:
    """A safetensors file of one vector: the layout's parameters one after the other, in its order."""

    name = "masked.u32"

    def size_bytes_max(self, layout: Layout, protection: Protection) -> int:
        """The head and 4 bytes a parameter."""
        del protection
        return len(header(layout)) + WORD_BYTES * count_parameters(layout)

    def check(self, file: BinaryIO, layout: Layout, protection: Protection) -> None:
        """Raise Invalid ``payload.length`` or ``payload.layout`` for anything else."""
        del protection
        check_header(file, header(layout), WORD_BYTES * count_parameters(layout))


PAYLOAD = MaskedU32()
