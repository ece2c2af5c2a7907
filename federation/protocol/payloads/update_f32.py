"""An update in clear: 32-bit floating point, the very tensors of the model."""

from __future__ import annotations

from typing import BinaryIO

from federation.errors import Invalid
from federation.protocol.documents.protection import Protection
from federation.protocol.tensors import Layout, file_size_bytes, read_header
from federation.sentences import Sentence

_CODES = {
    "tensors.truncated": "update.truncated",
    "tensors.trailing": "update.size",
    "tensors.too_large": "update.size",
    "tensors.dtype": "update.dtype",
    "tensors.shape": "update.shape",
}


class UpdateF32:
    """A safetensors file of the layout (``federation.protocol.tensors``)."""

    name = "update.f32"

    def size_bytes_max(self, layout: Layout, protection: Protection) -> int:
        """As large as the model: head and 4 bytes a parameter."""
        del protection
        return file_size_bytes(layout)

    def check(self, file: BinaryIO, layout: Layout, protection: Protection) -> None:
        """Raise Invalid ``update.truncated``, ``header``, ``schema``, ``shape``, ``dtype`` or ``size``."""
        del protection
        try:
            found = read_header(file).layout
        except Invalid as error:
            raise Invalid(code_of(error), error.message, error.field) from error
        check_layout(found, layout)


def code_of(error: Invalid) -> str:
    """The code of an update whose file is none, by what ``read_header`` says of it."""
    return _CODES.get(error.code, "update.header")


def check_layout(found: Layout, expected: Layout) -> None:
    """Raise Invalid ``update.schema`` or ``update.shape`` unless an update has the model's own tensors."""
    if found == expected:
        return
    names, wanted = [spec.name for spec in found], [spec.name for spec in expected]
    if names != wanted:
        missing, extra = sorted(set(wanted) - set(names)), sorted(set(names) - set(wanted))
        if not missing and not extra:
            raise Invalid("update.schema", "The tensors of the model are in another order.")
        form = "The tensors are not those of the model: missing %(missing)s, unexpected %(extra)s."
        raise Invalid("update.schema", Sentence(form, missing=str(missing[:3]), extra=str(extra[:3])))
    _raise_first_other_shape(found, expected)


def _raise_first_other_shape(found: Layout, expected: Layout) -> None:
    for one, other in zip(found, expected, strict=True):
        if one.shape != other.shape:
            form = "The shape of %(tensor)s is %(found)s, not %(expected)s."
            shapes = {"found": str(list(one.shape)), "expected": str(list(other.shape))}
            raise Invalid("update.shape", Sentence(form, tensor=one.name, **shapes), one.name)


PAYLOAD = UpdateF32()
