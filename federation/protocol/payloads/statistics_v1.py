"""Statistics of a dataset: JSON, written in one way only. What stands in it, the order kind `statistics` says."""

from __future__ import annotations

import json
from typing import BinaryIO

from federation.errors import Invalid
from federation.protocol.documents.protection import Protection
from federation.protocol.tensors import Layout
from federation.validation.encodings import strict_json

SIZE_BYTES_MAX = 4 << 20


def encode(value: object) -> bytes:
    """The one JSON text of a value: names sorted, no spaces, UTF-8. Raises ValueError for NaN and infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


class StatisticsV1:
    """An object, of four megabytes at most."""

    name = "statistics.v1"

    def size_bytes_max(self, layout: Layout, protection: Protection) -> int:
        """The same in every job."""
        del layout, protection
        return SIZE_BYTES_MAX

    def check(self, file: BinaryIO, layout: Layout, protection: Protection) -> None:
        """Raise Invalid ``payload.malformed`` for anything but an object, in its one text."""
        del layout, protection
        data = file.read(SIZE_BYTES_MAX + 1)
        try:
            value = strict_json(data)
            is_canonical = isinstance(value, dict) and encode(value) == data
        except (Invalid, ValueError) as error:
            raise Invalid("payload.malformed", f"It is no JSON: {error}") from error
        if not is_canonical:
            raise Invalid("payload.malformed", "It is no JSON object in the one way in which it may be written.")


PAYLOAD = StatisticsV1()
