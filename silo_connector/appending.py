"""Adding to a file that is never rewritten: the whole of what is added, or nothing of it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from federation.errors import Transient


class Unwritable(Transient, OSError):
    """A file that has to be written before anything leaves can't be: a full disk, a lost mount.

    It is an OSError, so that anyone who tries again after one does so here too.
    """

    def __init__(self, code: str, path: Path, error: OSError) -> None:
        reason = error.strerror or str(error)
        message = (
            f"{path} can't be written ({reason}). Nothing leaves before it can. Make room on its file system, or let "
            f"user {os.geteuid()} write there. What waits is tried again by itself."
        )
        Transient.__init__(self, code, message)
        self.errno = error.errno

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def append_whole(descriptor: int, data: bytes, path: Path, code: str, *, durable: bool = True) -> None:
    """Add bytes to the end of an open file that the caller has locked; if durable, they are on the disk afterwards.

    Where not all of them can be written, the file is as long as before. Raises `Unwritable` with this code.
    """
    size_bytes = os.fstat(descriptor).st_size
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        if durable:
            os.fsync(descriptor)
    except OSError as error:
        with contextlib.suppress(OSError):  # then half a line stays; anyone who writes next ends it, and it is no entry
            os.ftruncate(descriptor, size_bytes)
            os.fsync(descriptor)
        raise Unwritable(code, path, error) from error
