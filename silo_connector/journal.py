"""The journal of what this silo did, refused, signed and sent: each line names the hash of the line before.

Whoever changes, removes or inserts a line breaks the chain, and `silo-connector journal verify` says where. That its
end was cut off no chain can show: the trainer's memory holds the head as it was at its last answer, and the system's
log may hold all of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from federation.errors import Invalid, Untrusted
from federation.protocol.digests import digest_bytes
from silo_connector.folders import SafeDir
from silo_connector.logs import Log

FILE = "journal.jsonl"
LOG = Log("journal")
_SYSLOG_PRIORITY = 13 * 8 + 6  # facility "log audit", severity "informational" (RFC 5424)
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True)
class Head:
    """How far a journal goes: its lines, the hash of the last one, its bytes, and which file it is."""

    lines: int = 0
    digest: str | None = None
    size_bytes: int = 0
    file: int | None = None


class Journal:
    """Appends lines; several processes may, one at a time."""

    def __init__(self, state: Path, syslog: Path | None = None, file: str = FILE) -> None:
        self._path = state / file
        self._syslog = syslog
        self._head = self._on_disk = Head()
        self._syslog_failed = False

    def add(self, event: str, *, durable: bool = True, **fields: object) -> None:
        """Write that something happened; if durable, it is on the disk when this returns, and all before it."""
        with _opened(self._path) as descriptor:
            head = self._end(descriptor)
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            entry = {"n": head.lines + 1, "before": head.digest, "at": at, "event": event, **fields}
            line = json.dumps(entry, default=str).encode()
            os.write(descriptor, line + b"\n")
            if durable:
                os.fsync(descriptor)
            self._head = Head(head.lines + 1, digest_bytes(line), head.size_bytes + len(line) + 1, head.file)
            if durable:
                self._on_disk = self._head
        self._forward(line)

    def sync(self) -> None:
        """Have on the disk what was written so far."""
        if self._head != self._on_disk:
            with _opened(self._path) as descriptor:
                os.fsync(descriptor)
            self._on_disk = self._head

    @property
    def head(self) -> Head:
        """How far it surely goes: what this process has written and waited for."""
        return self._on_disk

    def _end(self, descriptor: int) -> Head:
        """Where the journal ends now: another process may have written since we did."""
        found = os.fstat(descriptor)
        size = found.st_size
        if size < self._head.size_bytes or found.st_ino != self._head.file:
            self._head = Head(file=found.st_ino)
        if size > self._head.size_bytes:
            data = _read(descriptor, self._head.size_bytes, size)
            if not data.endswith(b"\n"):  # the power went in the middle of the last line: it stays, and is chained
                os.write(descriptor, b"\n")
                data += b"\n"
            for line in data[:-1].split(b"\n"):
                end = self._head.size_bytes + len(line) + 1
                self._head = Head(self._head.lines + 1, digest_bytes(line), end, found.st_ino)
        return self._head

    def _forward(self, line: bytes) -> None:
        """Hand the line to the system's log, through its socket: that needs no network."""
        if self._syslog is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
                log.setblocking(False)
                log.sendto(b"<%d>silo-connector: %s" % (_SYSLOG_PRIORITY, line), str(self._syslog))
            self._syslog_failed = False
        except OSError as error:
            if not self._syslog_failed:
                LOG.error("journal.syslog", socket=str(self._syslog), reason=error.strerror)
            self._syslog_failed = True


def verify(state: Path, noted: Head | None = None) -> Head:
    """Follow the chain from the first line to the last, over a head that was noted earlier if one was.

    Raises Untrusted ``journal.broken`` with the line at which it breaks, Invalid ``journal.unreadable``.
    """
    path = state / FILE
    noted = noted or Head()
    if not path.exists():
        if noted.lines:
            raise _broken(path, 1, f"there were {noted.lines} lines, and the file is gone")
        return Head()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Invalid("journal.unreadable", f"{path} can't be read ({error.strerror}).") from error
    head = Head(size_bytes=len(data))
    *lines, unfinished = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        _check(path, number, line, head.digest, is_last=number == len(lines))
        head = Head(number, digest_bytes(line), len(data))
        if number == noted.lines and head.digest != noted.digest:
            raise _broken(path, number, "it is not what it was when the trainer last gave an answer")
    if unfinished and _entry(unfinished) is not None:
        raise _broken(path, len(lines) + 1, "it is whole but not ended")
    if head.lines < noted.lines:
        raise _broken(path, head.lines + 1, f"there were {noted.lines} lines, and the end is cut off")
    return head


def entries(state: Path, event: str) -> Iterator[dict[str, object]]:
    """The lines about such an event, the first one first; none where there is no journal.

    Whether it is whole is for `verify` to say. Raises Invalid ``journal.unreadable``.
    """
    told = event.encode()
    for line in raw_lines(state):
        entry = _entry(line) if told in line else None
        if entry is not None and entry.get("event") == event:
            yield entry


def all_entries(state: Path) -> Iterator[dict[str, object]]:
    """Every line that can be read, the first one first. Raises as `entries`."""
    return filter(None, map(_entry, raw_lines(state)))


def raw_lines(state: Path) -> Iterator[bytes]:
    """The bytes of each line without its end; none where there is no journal. Raises as `entries`."""
    path = state / FILE
    try:
        with path.open("rb") as stream:
            for line in stream:
                yield line.removesuffix(b"\n")
    except FileNotFoundError:
        return
    except OSError as error:
        raise Invalid("journal.unreadable", f"{path} can't be read ({error.strerror}).") from error


def begin_anew(state: Path, event: str, fields: Mapping[str, Any], syslog: Path | None = None) -> Path | None:
    """Put the journal aside and begin another with this line; at every moment one of the two is in place.

    Returns where the old one is now, None where there was none. Whoever writes meanwhile writes into the old one, or
    after the new one's first line.
    """
    path, partial = state / FILE, f".{FILE}.partial"
    (state / partial).unlink(missing_ok=True)
    Journal(state, syslog, partial).add(event, **fields)
    aside = state / f"{FILE}.until-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    with _opened(path):
        if path.stat().st_size:
            os.link(path, aside)
        (state / partial).replace(path)
        with SafeDir.open(state) as folder:
            folder.sync()
    return aside if aside.exists() else None


def _check(path: Path, number: int, line: bytes, before: str | None, *, is_last: bool) -> None:
    entry = _entry(line)
    if entry is None:
        if is_last:
            raise _broken(path, number, "it is no entry")
        return  # half a line that a power cut left; the line after it has its hash
    if entry.get("n") != number:
        raise _broken(path, number, f"it says that it is line {entry.get('n')}")
    if entry.get("before") != before:
        raise _broken(path, number, "the line before it was changed, removed or inserted")


def _entry(line: bytes) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _broken(path: Path, number: int, why: str) -> Untrusted:
    return Untrusted(
        "journal.broken",
        f"Line {number} of {path} does not fit: {why}. Somebody or something wrote into the journal; keep a copy, and "
        "compare with a backup.",
    )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The journal, locked: the very file that has the name now, not one that was put aside while it was waited for.

    Raises Invalid ``journal.unreadable`` for a symbolic link: whoever put it there has the journal elsewhere.
    """
    while True:
        try:
            descriptor = os.open(path, _FLAGS, 0o600)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            message = f"{path} is a symbolic link. The journal has to lie there itself: move it back."
            raise Invalid("journal.unreadable", message) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _read(descriptor: int, begin: int, end: int) -> bytes:
    data = bytearray()
    while len(data) < end - begin and (block := os.pread(descriptor, end - begin - len(data), begin + len(data))):
        data += block
    return bytes(data)
