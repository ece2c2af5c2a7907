"""A kind of payload: some words of text, one a line."""

from __future__ import annotations

from typing import BinaryIO

from federation.errors import Invalid
from federation.protocol.documents import Protection
from federation.protocol.tensors import Layout


class Words:
    """Up to a hundred bytes of small letters."""

    name = "words.ascii"

    def size_bytes_max(self, layout: Layout, protection: Protection) -> int:
        """The same for all."""
        del layout, protection
        return 100

    def check(self, file: BinaryIO, layout: Layout, protection: Protection) -> None:
        """Letters and ends of lines."""
        del layout, protection
        if not file.read(101).replace(b"\n", b"").isalpha():
            raise Invalid("words.not_letters", "These are no words.")


PAYLOAD = Words()
