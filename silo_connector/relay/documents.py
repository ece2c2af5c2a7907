"""Envelopes that go along with each order of a job: they come once, and are kept in memory by their digests.

Nothing here is believed: the trainer compares a manifest with the digest in the signed order, and an agreement with
the one in the manifest. What a restart forgets comes again with the next order.
"""

from __future__ import annotations

from collections import OrderedDict

from federation.protocol import HELD_DOCUMENTS_MAX
from federation.protocol.digests import digest_bytes

HELD_BYTES_MAX = 32 << 20


class HeldDocuments:
    """Manifests and agreements that came lately, at most so many and so large."""

    def __init__(self, count_max: int = HELD_DOCUMENTS_MAX, bytes_max: int = HELD_BYTES_MAX) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._found: OrderedDict[str, bytes] = OrderedDict()
        self._held_bytes = 0

    def digests(self) -> list[str]:
        """What need not come again, the latest last."""
        return list(self._found)

    def find(self, digest: str) -> bytes | None:
        """The envelope of this digest, if it is held."""
        sealed = self._found.get(digest)
        if sealed is not None:
            self._found.move_to_end(digest)
        return sealed

    def keep(self, sealed: bytes) -> None:
        """Hold an envelope; those that were not asked for the longest make room."""
        digest = digest_bytes(sealed)
        if self.find(digest) is not None:
            return
        self._found[digest] = sealed
        self._held_bytes += len(sealed)
        while len(self._found) > self._count_max or self._held_bytes > self._bytes_max:
            self._held_bytes -= len(self._found.popitem(last=False)[1])
