"""An update in 8 bits: a whole number for each parameter, and for each tensor what one step of them is."""

from __future__ import annotations

from typing import BinaryIO

from federation.protocol.documents.protection import Protection
from federation.protocol.payloads.base import check_header, typed_header
from federation.protocol.tensors import WORD_BYTES, Layout, count_parameters

SCALE = ":scale"
"""Follows a tensor's name. No tensor of a layout can be called so: names have no colon."""


def header(layout: Layout) -> bytes:
    """The head: first the scales (F32, one each), then the tensors (I8), both in the layout's order."""
    scales = [(spec.name + SCALE, "F32", (), WORD_BYTES) for spec in layout]
    return typed_header([*scales, *((spec.name, "I8", spec.shape, spec.size) for spec in layout)])


class UpdateI8:
    """A safetensors file with a scale beside each tensor: a value is the number times its tensor's scale."""

    name = "update.i8"

    def size_bytes_max(self, layout: Layout, protection: Protection) -> int:
        """The head, 4 bytes a tensor and one a parameter."""
        del protection
        return len(header(layout)) + _data_bytes(layout)

    def check(self, file: BinaryIO, layout: Layout, protection: Protection) -> None:
        """Raise Invalid ``payload.length`` or ``payload.layout`` for anything else."""
        del protection
        check_header(file, header(layout), _data_bytes(layout))


def _data_bytes(layout: Layout) -> int:
    return WORD_BYTES * len(layout) + count_parameters(layout)


PAYLOAD = UpdateI8()
