"""One artefact on its way in: bytes are kept as they come, and it counts only when its digest holds."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from artefacts import store
from federation.errors import Invalid
from federation.protocol.digests import digest_file
from realtime.http import Refused


class Upload:
    """The upload of one artefact for one output of an order. Its methods do file work: call them from a thread."""

    def __init__(self, order_id: UUID, name: str, digest: str, size_bytes: int) -> None:
        self._part = store.part_path(order_id, name, digest)
        self._digest, self._total = digest, size_bytes
        self._stream: BinaryIO | None = None
        self._hash = hashlib.sha256()
        self._hashed_from_start = False
        self.offset = 0

    def kept(self) -> int:
        """How many bytes of it this order's grant has brought."""
        try:
            return self._part.stat().st_size
        except FileNotFoundError:
            return 0

    def take_whole(self, start: int, block: Sequence[bytes]) -> bool:
        """All that comes, at once. Returns and raises as `begin` and `finish` do."""
        self.begin(start, ())
        return self.finish(block)

    def begin(self, start: int, block: Sequence[bytes]) -> None:
        """Get ready for the bytes from `start`, and keep the first of them.

        Raises Refused 409 ``upload.offset`` with the offset to use.
        """
        if start not in {0, kept := self.kept()}:
            headers = [(b"upload-offset", str(kept).encode())]
            raise Refused(409, "upload.offset", f"{kept} bytes are kept; go on from there.", headers)
        self._part.parent.mkdir(parents=True, exist_ok=True)
        self._stream = self._open_alone()
        self._stream.truncate(start)
        self._stream.seek(start)
        self.offset = start
        self._hashed_from_start = start == 0
        self.append(block)

    def _open_alone(self) -> BinaryIO:
        """The part, with a lock on it: two writers at once could leave other bytes than were hashed."""
        stream = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = self._part.stat().st_ino == os.fstat(stream.fileno()).st_ino
        except (BlockingIOError, FileNotFoundError):
            alone = False
        if not alone:
            stream.close()
            raise Refused(
                409, "upload.busy", "Another connection is putting the same artefact.", [(b"retry-after", b"2")]
            )
        return stream

    def append(self, block: Sequence[bytes]) -> None:
        """Keep some more bytes, in the pieces in which they came: to join them would copy them all once more.

        Raises Refused 413 when there are more than were announced.
        """
        assert self._stream is not None
        if self.offset + sum(map(len, block)) > self._total:
            raise Refused(413, "blob.too_large", "More bytes came than were announced.")
        for piece in block:
            self._stream.write(piece)
            self.offset += len(piece)
            if self._hashed_from_start:
                self._hash.update(piece)

    def finish(self, block: Sequence[bytes]) -> bool:
        """Keep the last bytes; whether it is complete now, and then in the store.

        Raises Invalid ``blob.digest_mismatch`` and, where the part was deleted meanwhile, FileNotFoundError, keeping
        nothing.
        """
        self.append(block)
        assert self._stream is not None
        self._stream.flush()
        if self.offset < self._total:
            return False
        os.fsync(self._stream.fileno())
        file = self._taken_out(self._stream)
        try:
            found = "sha256:" + self._hash.hexdigest() if self._hashed_from_start else digest_file(file)
            if found != self._digest:
                raise Invalid("blob.digest_mismatch", "The bytes are not what their digest says; nothing was kept.")
            store.commit_file(file, self._digest, is_named=True)  # by the row of its grant
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        return True

    def _taken_out(self, stream: BinaryIO) -> Path:
        """The part under a name that nobody else opens, so that what is looked at is what becomes a blob.

        Parts of an order that has ended are deleted, and a connection that was let in before makes a new one in the
        same place. Raises FileNotFoundError where this one is gone, and keeps nothing of the other.
        """
        file = store.new_file()
        self._part.replace(file)
        if not os.path.samestat(file.stat(), os.fstat(stream.fileno())):
            file.unlink()
            raise FileNotFoundError(self._part)
        return file

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()
