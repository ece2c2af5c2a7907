"""Reading the journal, over all of its files and in bounded memory: whether its chain holds, and what it says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from federation.errors import Invalid, Untrusted
from federation.protocol.digests import digest_bytes
from silo_connector.journal_parts import FILE, entry_in, first_entry, follows, lines, opened_parts


@dataclass(frozen=True)
class Head:
    """How far a journal goes: its lines, the hash of the last one; of its newest file the bytes, and which it is."""

    lines: int = 0
    digest: str | None = None
    size_bytes: int = 0
    file: int | None = None


def verify(state: Path, noted: Head | None = None) -> Head:
    """Follow the chain from the first line to the last, over a head that was noted earlier if one was.

    Raises Untrusted ``journal.broken`` with the line at which it breaks, Invalid ``journal.unreadable``.
    """
    return _Check(noted or Head()).read(state)


class _Check:
    """Goes along the chain; of a line that is no entry it is only known at the next one whether that is in order."""

    def __init__(self, noted: Head) -> None:
        self._noted = noted
        self._head = Head()
        self._is_entry = True

    def read(self, state: Path) -> Head:
        path, unfinished = state / FILE, b""
        with opened_parts(state) as parts:
            for part in parts:
                before, path = path, part.path
                if not part.is_there:
                    raise _broken(path, 1, "the file is gone, and the one after it goes on from there")
                with part.opened() as stream:
                    if part is not parts[0] and follows(first_entry(stream)) != before.name:
                        raise _broken(path, self._head.lines + 1, f"it does not go on from {before.name}")
                    for line in _read(path, stream):
                        if unfinished:  # a piece of a line that is too long to be one
                            self._take(path, unfinished)
                        unfinished = b"" if line.endswith(b"\n") else line
                        if not unfinished:
                            self._take(path, line[:-1])
        self._end(path, unfinished)
        return self._head

    def _take(self, path: Path, line: bytes) -> None:
        number, entry = self._head.lines + 1, entry_in(line)
        self._is_entry = entry is not None
        if entry is not None:  # else half a line that a power cut left; the line after it has its hash
            if entry.get("n") != number:
                raise _broken(path, number, f"it says that it is line {entry.get('n')}")
            if entry.get("before") != self._head.digest:
                raise _broken(path, number, "the line before it was changed, removed or inserted")
        self._head = Head(number, digest_bytes(line))
        if number == self._noted.lines and self._head.digest != self._noted.digest:
            raise _broken(path, number, "it is not what it was when the trainer last gave an answer")

    def _end(self, path: Path, unfinished: bytes) -> None:
        number, noted = self._head.lines, self._noted.lines
        if not self._is_entry:
            raise _broken(path, number, "it is no entry")
        if unfinished and entry_in(unfinished) is not None:
            raise _broken(path, number + 1, "it is whole but not ended")
        if number < noted:
            is_gone = number == 0 and not path.exists()
            why = "the file is gone" if is_gone else "the end is cut off"
            raise _broken(path, number + 1, f"there were {noted} lines, and {why}")


def entries(state: Path, event: str) -> Iterator[dict[str, object]]:
    """The lines about such an event, the first one first; none where there is no journal.

    Whether it is whole is for `verify` to say. Raises Invalid ``journal.unreadable``.
    """
    reported = event.encode()
    for line in raw_lines(state):
        entry = entry_in(line) if reported in line else None
        if entry is not None and entry.get("event") == event:
            yield entry


def all_entries(state: Path) -> Iterator[dict[str, object]]:
    """Every line that can be read, the first one first. Raises as `entries`."""
    return filter(None, map(entry_in, raw_lines(state)))


def raw_lines(state: Path) -> Iterator[bytes]:
    """The bytes of each line without its end; none where there is no journal. Raises as `entries`."""
    with opened_parts(state) as parts:
        for part in parts:
            if not part.is_there:
                continue  # for `verify` to say
            with part.opened() as stream:
                yield from (line.removesuffix(b"\n") for line in _read(part.path, stream))


def _read(path: Path, stream: BinaryIO) -> Iterator[bytes]:
    try:
        yield from lines(stream)
    except OSError as error:
        raise Invalid("journal.unreadable", f"{path} can't be read ({error.strerror}).") from error


def _broken(path: Path, number: int, why: str) -> Untrusted:
    return Untrusted(
        "journal.broken",
        f"Line {number} of {path} does not fit: {why}. Somebody or something wrote into the journal; keep a copy, and "
        "compare with a backup.",
    )
