"""The files of a journal: the one that is written, ``journal.jsonl``, and those before it, each named by the next.

A file that became too large is given a name with a number, and another one is begun. Its first line has the number of
the line, the hash of the last line before, and the name of the file where that stands. So the chain goes on over files.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from federation.errors import Invalid

FILE = "journal.jsonl"
CONTINUED = "journal.continued"
"""The first line of every file but the first: it goes on from the file that ``follows`` names."""
LINE_BYTES_MAX = 1 << 24
"""What is longer is read in pieces, so that no journal takes more memory than this."""
_NAME = re.compile(r"journal\.\d{6}\.jsonl")


@dataclass(frozen=True)
class Part:
    """One file of a journal."""

    path: Path
    is_there: bool = True
    newest: BinaryIO | None = None
    """The file that is written, as it was when the others were looked for."""

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, at its beginning. Raises Invalid ``journal.unreadable``."""
        if self.newest is not None:
            self.newest.seek(0)
            yield self.newest
            return
        try:
            stream = self.path.open("rb")
        except OSError as error:
            raise _unreadable(self.path, error) from error
        with stream:
            yield stream


@contextlib.contextmanager
def opened_parts(state: Path) -> Iterator[list[Part]]:
    """All files of a journal, the oldest first; none where there is no journal.

    The newest is opened first: what is renamed meanwhile stays the same file. Raises Invalid ``journal.unreadable``.
    """
    try:
        newest = (state / FILE).open("rb")
    except FileNotFoundError:
        yield []
        return
    except OSError as error:
        raise _unreadable(state / FILE, error) from error
    with newest:
        parts = [Part(state / FILE, newest=newest)]
        seen = {FILE}
        while (name := _before(parts[-1])) is not None and name not in seen:
            seen.add(name)
            parts.append(Part(state / name, is_there=(state / name).exists()))
        yield parts[::-1]


def _before(part: Part) -> str | None:
    if not part.is_there:
        return None
    with part.opened() as stream:
        return follows(first_entry(stream))


def follows(entry: Mapping[str, Any] | None) -> str | None:
    """The name of the file before, by the first line of one; None where it is the first file."""
    match entry:
        case {"event": event, "follows": str(name)} if event == CONTINUED and _NAME.fullmatch(name):
            return name
    return None


def first_entry(stream: BinaryIO) -> dict[str, object] | None:
    """The first line of a file, which is left at its beginning."""
    stream.seek(0)
    line = next(lines(stream), b"")
    stream.seek(0)
    return entry_in(line)


def lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines from here on, each with its end."""
    return iter(lambda: stream.readline(LINE_BYTES_MAX), b"")


def entry_in(line: bytes) -> dict[str, object] | None:
    """What a line says; None where it is no entry."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def name_for(active: Path) -> str:
    """The name under which the present file is kept: the next number, or the one that a crash has given it already."""
    names = sorted(path.name for path in active.parent.iterdir() if _NAME.fullmatch(path.name))
    for name in names:
        if active.samefile(active.parent / name):
            return name
    number = int(names[-1].split(".")[1]) if names else 0
    return f"journal.{number + 1:06}.jsonl"


def earlier_parts(state: Path) -> list[Path]:
    """The files before the one that is written, as far as they are there."""
    with opened_parts(state) as parts:
        return [part.path for part in parts[:-1] if part.is_there]


def _unreadable(path: Path, error: OSError) -> Invalid:
    return Invalid("journal.unreadable", f"{path} can't be read ({error.strerror}).")
