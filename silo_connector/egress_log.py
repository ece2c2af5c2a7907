"""The egress journal: a line for every artefact, on the disk before the artefact leaves. Silo IT can read it."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from silo_connector.appending import Unwritable, append_whole

FILE = "egress.jsonl"
UNWRITABLE = "egress_log.unwritable"
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True)
class EgressEntry:
    """What is about to leave, for which order, and why. Trainer and relay write the same of one artefact."""

    purpose: str
    digest: str
    size_bytes: int
    order_id: str | None = None
    name: str | None = None
    """What the order calls a payload. It is no purpose: a payload may be called ``document``."""

    @classmethod
    def of_payload(cls, order_id: str | None, name: str, digest: str, size_bytes: int) -> EgressEntry:
        """A file that goes with the answer to an order."""
        return cls("payload", digest, size_bytes, order_id, name)

    @property
    def fields(self) -> dict[str, object]:
        """As they are written. Only payloads have a name."""
        written = asdict(self)
        if self.name is None:
            del written["name"]
        return written


def record(folder: Path, *departures: EgressEntry) -> None:
    """Append lines and wait until they are on the disk: all of them, or none.

    Raises Unwritable ``egress_log.unwritable``: then nothing may leave.
    """
    path = folder / FILE
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    text = "".join(json.dumps({"at": at, **departure.fields}) + "\n" for departure in departures)
    try:
        descriptor = os.open(path, _FLAGS, 0o640)
    except OSError as error:
        raise Unwritable(UNWRITABLE, path, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = "\n" + text  # the power went in the middle of the last line
        append_whole(descriptor, text.encode(), path, UNWRITABLE)
    finally:
        os.close(descriptor)
