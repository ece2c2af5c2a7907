"""The journal of what this silo did, refused, signed and sent: each line names the hash of the line before.

Anyone who changes, removes or inserts a line breaks the chain, and `silo-connector journal verify` says where. That its
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from federation.errors import Invalid
from federation.protocol.digests import digest_bytes
from silo_connector.appending import Unwritable, append_whole
from silo_connector.config import JOURNAL_PART_BYTES, Config
from silo_connector.folders import SafeDir
from silo_connector.journal_parts import CONTINUED, FILE, earlier_parts, entry_in, follows, lines, name_for
from silo_connector.journal_reading import Head, all_entries, entries, raw_lines, verify
from silo_connector.logs import Log

__all__ = ["FILE", "Head", "Journal", "all_entries", "entries", "raw_lines", "start_new_journal", "verify"]

UNWRITABLE = "journal.unwritable"
LOG = Log("journal")
_SYSLOG_PRIORITY = 13 * 8 + 6  # facility "log audit", severity "informational" (RFC 5424)
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Journal:
    """Appends lines; several processes may, one at a time. A file that has become too large is followed by another."""

    def __init__(
        self, state: Path, syslog: Path | None = None, file: str = FILE, part_bytes_max: int = JOURNAL_PART_BYTES
    ) -> None:
        self._path = state / file
        self._syslog = syslog
        self._part_bytes_max = part_bytes_max
        self._head = self._on_disk = Head()
        self._lines_in_file = 0
        self._syslog_failed = False

    @classmethod
    def of(cls, config: Config) -> Journal:
        """The journal of a silo's trainer."""
        return cls(config.trainer_state, config.syslog, part_bytes_max=config.journal_part_bytes_max)

    def add(self, event: str, *, durable: bool = True, **fields: object) -> None:
        """Write that something happened; if durable, it is on the disk when this returns, and all before it.

        Raises Unwritable ``journal.unwritable``: the journal is as it was, and what is to be reported must not be done.
        """
        while True:
            with _opened(self._path) as descriptor:
                head = self._end(descriptor)
                line = self._line(head, event, fields)
                is_full = self._lines_in_file > 1 and head.size_bytes + len(line) >= self._part_bytes_max
                if is_full and self._continue(descriptor, head):
                    continue
                append_whole(descriptor, line + b"\n", self._path, UNWRITABLE, durable=durable)
                self._count(line + b"\n")
                if durable:
                    self._on_disk = self._head
            self._forward(line)
            return

    def _line(self, head: Head, event: str, fields: Mapping[str, object]) -> bytes:
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = {"n": head.lines + 1, "before": head.digest, "at": at, "event": event, **fields}
        return json.dumps(entry, default=str).encode()

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
        if found.st_size < self._head.size_bytes or found.st_ino != self._head.file:
            self._head, self._lines_in_file = Head(file=found.st_ino), 0
        if found.st_size > self._head.size_bytes:
            if os.pread(descriptor, 1, found.st_size - 1) != b"\n":  # the power went in the middle of the last line
                append_whole(descriptor, b"\n", self._path, UNWRITABLE, durable=False)  # it stays, and is chained
            with os.fdopen(os.dup(descriptor), "rb") as stream:
                stream.seek(self._head.size_bytes)
                for line in lines(stream):
                    self._count(line)
        return self._head

    def _count(self, line: bytes) -> None:
        """One more line stands in the file; the first one of a file says how many are before it."""
        before = self._head.lines
        if self._lines_in_file == 0 and follows(entry := entry_in(line)) and entry is not None:
            number = entry.get("n")
            before = number - 1 if isinstance(number, int) else before
        self._lines_in_file += 1
        end = self._head.size_bytes + len(line)
        self._head = Head(before + 1, digest_bytes(line.removesuffix(b"\n")), end, self._head.file)

    def _continue(self, descriptor: int, head: Head) -> bool:
        """Begin another file, which goes on from this one; False where that can't be: then this one grows.

        The present file gets its second name first. Wherever this ends, ``journal.jsonl`` is the one or the other.
        """
        state = self._path.parent
        partial = state / f".{self._path.name}.next"
        try:
            os.fsync(descriptor)
            name = name_for(self._path)
            line = self._line(head, CONTINUED, {"follows": name})
            partial.unlink(missing_ok=True)
            with _opened(partial) as next_:
                append_whole(next_, line + b"\n", partial, UNWRITABLE)
            if not (state / name).exists():
                os.link(self._path, state / name)
            partial.replace(self._path)
            with SafeDir.open(state) as folder:
                folder.sync()
        except OSError as error:
            LOG.error("journal.not_continued", reason=str(error))
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            return False
        self._forward(line)
        return True

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


def start_new_journal(state: Path, event: str, fields: Mapping[str, Any], syslog: Path | None = None) -> Path | None:
    """Put the journal aside and begin another with this line; at every moment one of the two is in place.

    Returns where the old one's newest file is now, None where there was none. Anyone who writes meanwhile writes
    into the old one, or after the new one's first line.
    """
    path, partial = state / FILE, f".{FILE}.partial"
    (state / partial).unlink(missing_ok=True)
    Journal(state, syslog, partial).add(event, **fields)
    until = f"until-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    aside = state / f"{FILE}.{until}"
    with _opened(path):
        earlier = earlier_parts(state)
        if path.stat().st_size:
            os.link(path, aside)
        (state / partial).replace(path)
        for part in earlier:  # nothing leads to them any more
            part.rename(state / f"{part.name}.{until}")
        with SafeDir.open(state) as folder:
            folder.sync()
    return aside if aside.exists() else None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The journal, locked: the very file that has the name now, not one that was put aside while it was waited for.

    Raises Invalid ``journal.unreadable`` for a symbolic link: anyone who put it there has the journal elsewhere.
    """
    while True:
        try:
            descriptor = os.open(path, _FLAGS, 0o600)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise Unwritable(UNWRITABLE, path, error) from error
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
