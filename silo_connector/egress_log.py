"""The egress journal: a line for every artefact, on the disk before the artefact leaves. Silo IT can read it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

FILE = "egress.jsonl"


@dataclass(frozen=True)
class EgressEntry:
    """What is about to leave, for which order, and why."""

    purpose: str
    digest: str
    size_bytes: int
    order_id: str | None = None


def record(folder: Path, *departures: EgressEntry) -> None:
    """Append lines and wait until they are on the disk."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    text = "".join(json.dumps({"at": at, **asdict(departure)}) + "\n" for departure in departures)
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(folder / FILE, flags, 0o640)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = "\n" + text  # the power went in the middle of the last line
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
