"""What goes with an answer: the kinds of payload, one module each, found by looking.

To add one, add a file with a ``PAYLOAD``. The trainer asks before it signs, and the platform before it counts. No numpy
is loaded here: heads and lengths are read, and no value.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import BinaryIO

from federation.discovery import Offers
from federation.errors import Invalid
from federation.protocol.documents.protection import Protection
from federation.protocol.payloads.base import PayloadKind
from federation.protocol.tensors import Layout
from federation.sentences import Sentence

__all__ = ["PAYLOADS", "PayloadKind", "check_payload", "payload_kind"]

PAYLOADS: Mapping[str, PayloadKind] = Offers(__name__, "PAYLOAD")


def payload_kind(name: str) -> PayloadKind:
    """The kind of this name. Raises Invalid ``payload.kind`` where there is none."""
    found = PAYLOADS.get(name)
    if found is None:
        raise Invalid("payload.kind", Sentence("A payload of kind %(kind)s is not known.", kind=name[:40]), "kind")
    return found


def check_payload(name: str, file: BinaryIO, layout: Layout, protection: Protection) -> None:
    """Check a payload by its head and its length, as one of this kind.

    Args:
        name: The kind.
        file: Seekable; it is read from its beginning, and left anywhere.
        layout: That of the job's model; empty where it has none.
        protection: How the job's updates are protected.

    Raises:
        Invalid: ``payload.kind``, ``payload.too_large``, and what the kind's `check` raises.
    """
    kind = payload_kind(name)
    file.seek(0)
    kind.check(file, layout, protection)
    size_bytes, size_bytes_max = file.seek(0, os.SEEK_END), kind.size_bytes_max(layout, protection)
    if size_bytes > size_bytes_max:
        form = "The payload has %(size)s bytes, %(allowed)s are allowed."
        raise Invalid("payload.too_large", Sentence(form, size=size_bytes, allowed=size_bytes_max))
