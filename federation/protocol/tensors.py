"""Tensors on the wire: the safetensors format, read and written strictly, without the library and without numpy.

A file is an 8-byte little-endian header length, a JSON header, and the tensors' bytes. We write the tensors in the
order of a *layout* without gaps, so the data of two files of one layout line up word by word. What we read we hold to
the same: no metadata, no gaps, no other order, no bytes at the end. Format: github.com/huggingface/safetensors.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, Literal

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.dataclasses import dataclass as validated_dataclass

from federation.errors import Invalid

WORD_BYTES = 4
HEADER_BYTES_MAX = 1 << 20
PARAMETERS_MAX = 2**27
TENSORS_MAX = 4096
DIMENSIONS_MAX = 8
FILE_BYTES_MAX = 8 + HEADER_BYTES_MAX + WORD_BYTES * PARAMETERS_MAX
NAME_PATTERN = r"^[A-Za-z0-9_./-]{1,200}$"
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,200}")
_FIELDS = {"dtype", "shape", "data_offsets"}
_SPEC_FIELDS = {"name", "shape", "dtype"}


@validated_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TensorSpec:
    """One named tensor of a model: its shape and element type, without its values."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    shape: Annotated[tuple[Annotated[int, Field(ge=0, le=PARAMETERS_MAX)], ...], Field(max_length=DIMENSIONS_MAX)]
    dtype: Literal["F32"] = "F32"

    @model_serializer(mode="wrap")
    def _with_unknown(self, handler: SerializerFunctionWrapHandler):  # type: ignore[no-untyped-def]
        """As it came, with fields of a later version (``carried``)."""
        return {**handler(self), **{name: value for name, value in vars(self).items() if name not in _SPEC_FIELDS}}

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


Layout = tuple[TensorSpec, ...]


@dataclass(frozen=True)
class Header:
    """What the head of a file says: the tensors in the order of their bytes, and where those begin."""

    layout: Layout
    data_offset: int


def count_parameters(layout: Sequence[TensorSpec]) -> int:
    """Number of elements of all tensors together."""
    return sum(spec.size for spec in layout)


def encode_header(layout: Sequence[TensorSpec]) -> bytes:
    """The bytes before the first tensor of a file of this layout, padded so that the data is aligned to 8 bytes."""
    entries: dict[str, dict[str, Any]] = {}
    begin = 0
    for spec in layout:
        if spec.name in entries or spec.name == "__metadata__":
            raise Invalid("tensors.duplicate", f"The name {spec.name!r} can't be used twice.", spec.name)
        end = begin + spec.size * WORD_BYTES
        entries[spec.name] = {"dtype": spec.dtype, "shape": list(spec.shape), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > HEADER_BYTES_MAX:
        raise Invalid("tensors.too_large", f"The header would be longer than {HEADER_BYTES_MAX} bytes.")
    return struct.pack("<Q", len(text)) + text


def write_header(stream: BinaryIO, layout: Sequence[TensorSpec]) -> int:
    """Write the head of a file of this layout; returns the offset at which the data begins."""
    head = encode_header(layout)
    stream.write(head)
    return len(head)


def file_size_bytes(layout: Sequence[TensorSpec]) -> int:
    """Size of a file of this layout."""
    return len(encode_header(layout)) + WORD_BYTES * count_parameters(layout)


def read_header(stream: BinaryIO, size_limit: int = FILE_BYTES_MAX) -> Header:
    """Read and check the head of a seekable file; nothing of the data is read.

    Raises Invalid ``tensors.truncated``, ``too_large``, ``header``, ``metadata``, ``duplicate``, ``dtype``, ``shape``,
    ``offsets`` or ``trailing``: a file that passes holds exactly the tensors of the returned layout, in that order.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    if size > size_limit:
        raise Invalid("tensors.too_large", f"The file has {size} bytes, {size_limit} are allowed.")
    if size < 8:
        raise Invalid("tensors.truncated", "The file ends before its header.")
    (length,) = struct.unpack("<Q", _read_exactly(stream, 8))
    if length > HEADER_BYTES_MAX:
        raise Invalid("tensors.header", f"The header claims {length} bytes, {HEADER_BYTES_MAX} are allowed.")
    if 8 + length > size:
        raise Invalid("tensors.truncated", "The file ends within its header.")
    layout = _parse(_read_exactly(stream, length))
    expected = 8 + length + WORD_BYTES * count_parameters(layout)
    if size < expected:
        raise Invalid("tensors.truncated", f"The file has {size} bytes, its header speaks of {expected}.")
    if size > expected:
        raise Invalid("tensors.trailing", f"The file has {size} bytes, its header speaks of {expected}.")
    return Header(layout, 8 + length)


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = stream.read(count - len(data))
        if not part:
            raise Invalid("tensors.truncated", "The file ends within its header.")
        data += part
    return data


def _parse(text: bytes) -> Layout:
    if not text.startswith(b"{"):
        raise Invalid("tensors.header", "The header is not a JSON object.")
    try:
        entries = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise Invalid("tensors.header", "The header is not valid JSON.") from error
    if "__metadata__" in entries:
        raise Invalid("tensors.metadata", "Metadata is not allowed.", "__metadata__")
    if len(entries) > TENSORS_MAX:
        raise Invalid("tensors.too_large", f"The file has more than {TENSORS_MAX} tensors.")
    layout = []
    begin = 0
    for name, entry in entries.items():
        spec, offsets = _spec(name, entry)
        end = begin + WORD_BYTES * spec.size
        if offsets != [begin, end]:
            raise Invalid("tensors.offsets", "The tensors' bytes must follow one another in the header's order.", name)
        begin = end
        layout.append(spec)
    return tuple(layout)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Invalid("tensors.duplicate", "A name occurs twice in the header.")
    return found


def _spec(name: str, entry: Any) -> tuple[TensorSpec, list[int]]:
    if not _NAME.fullmatch(name):
        raise Invalid(
            "tensors.header", "A tensor's name is 1 to 200 letters, digits, dots, dashes, slashes, underscores."
        )
    field = name
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        raise Invalid("tensors.header", "A tensor has dtype, shape and data_offsets, and nothing else.", field)
    if entry["dtype"] != "F32":
        raise Invalid("tensors.dtype", "Only 32-bit floating point (F32) is carried.", field)
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _are_counts(shape) or len(shape) > DIMENSIONS_MAX or max(shape, default=0) > PARAMETERS_MAX:
        raise Invalid("tensors.shape", "The shape is not a list of a few whole numbers.", field)
    if math.prod(shape) > PARAMETERS_MAX:
        raise Invalid("tensors.too_large", f"The tensor has more than {PARAMETERS_MAX} elements.", field)
    if not _are_counts(offsets) or len(offsets) != 2:
        raise Invalid("tensors.offsets", "The offsets are not two whole numbers.", field)
    return TensorSpec(name, tuple(shape), "F32"), offsets


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)
