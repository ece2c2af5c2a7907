"""An encrypted update: ciphertexts one after the other, each with its length before it."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from federation.errors import Invalid
from federation.protection.encrypted import Encrypted
from federation.protocol.documents.protection import Protection
from federation.protocol.payloads.base import read_exactly
from federation.protocol.tensors import Layout, count_parameters
from federation.sentences import Sentence

_LENGTH = struct.Struct("<I")


def count_ciphertexts(layout: Layout, protection: Encrypted) -> int:
    """How many there are: the parameters in the layout's order, as many in each as it has slots."""
    return -(-count_parameters(layout) // protection.slots)


class CiphertextCkks:
    """A count, then so many times a length and a serialised ciphertext; whole numbers of 4 bytes, little endian."""

    name = "ciphertext.ckks"

    def size_bytes_max(self, layout: Layout, protection: Protection) -> int:
        """By the number of ciphertexts, each as large as one may be."""
        mode = _encrypted(protection)
        return _LENGTH.size + count_ciphertexts(layout, mode) * (_LENGTH.size + mode.ciphertext_bytes_max)

    def check(self, file: BinaryIO, layout: Layout, protection: Protection) -> None:
        """Look at the lengths; the ciphertexts themselves are skipped.

        Raises:
            Invalid: ``payload.protection``, ``payload.count`` for another number of them, ``payload.length`` for one
                that is empty or too large, a file that ends too early, and bytes at its end.
        """
        mode = _encrypted(protection)
        size_bytes = file.seek(0, os.SEEK_END)
        file.seek(0)
        (count,) = _LENGTH.unpack(read_exactly(file, _LENGTH.size))
        expected = count_ciphertexts(layout, mode)
        if count != expected:
            raise Invalid(
                "payload.count",
                Sentence("It has %(count)s ciphertexts, not %(expected)s.", count=count, expected=expected),
            )
        position = _LENGTH.size
        for _number in range(count):
            file.seek(position)
            (length,) = _LENGTH.unpack(read_exactly(file, _LENGTH.size))
            if not 0 < length <= mode.ciphertext_bytes_max:
                form = "A ciphertext has 1 to %(maximum)s bytes."
                raise Invalid("payload.length", Sentence(form, maximum=mode.ciphertext_bytes_max))
            position += _LENGTH.size + length
        if position != size_bytes:
            form = "It has %(size)s bytes, its lengths add up to %(added)s."
            raise Invalid("payload.length", Sentence(form, size=size_bytes, added=position))


def _encrypted(protection: Protection) -> Encrypted:
    if not isinstance(protection, Encrypted):
        raise Invalid("payload.protection", "Ciphertexts belong to the mode encrypted.", "protection")
    return protection


PAYLOAD = CiphertextCkks()
