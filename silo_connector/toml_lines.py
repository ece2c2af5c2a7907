"""On which line of a TOML file each setting stands: Python's reader of TOML keeps no lines."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Key = tuple[str | int, ...]
"""A setting's place: names of tables and keys, and numbers (from 0) within lists of tables."""
_QUOTES = ('"""', "'''", '"', "'")


def lines_of(text: str) -> dict[Key, int]:
    """The line (from 1) on which each table and each setting begins, of a text that is TOML.

    What stands within a list or an inline table has the line of its key.
    """
    found: dict[Key, int] = {}
    table: Key = ()
    counts: dict[Key, int] = {}
    for line, statement in _statements(text):
        if statement.lstrip().startswith("["):
            table = _table(statement, counts)
            found[table] = line
        else:
            for key in _keys(tomllib.loads(statement)):
                found.setdefault((*table, *key), line)
    return found


def _table(statement: str, counts: dict[Key, int]) -> Key:
    """The place of the table that a header opens; a header in double brackets opens the next one of a list."""
    header: Any = tomllib.loads(statement)
    place: Key = ()
    while isinstance(header, Mapping) and header:
        ((name, header),) = header.items()
        place = (*place, name)
        if isinstance(header, list):
            counts[place] = counts.get(place, -1) + 1
            header = header[0]
        if place in counts:
            place = (*place, counts[place])
    return place


def _keys(value: object) -> Iterator[Key]:
    """The places of everything within a value."""
    if isinstance(value, Mapping):
        inner: Iterator[tuple[str | int, object]] = iter(value.items())
    elif isinstance(value, list):
        inner = iter(enumerate(value))
    else:
        return
    for name, part in inner:
        yield (name,)
        for key in _keys(part):
            yield (name, *key)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Headers and settings, each with the line on which it begins."""
    kept: list[str] = []
    begin, depth, quote = 0, 0, ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not kept and not line.split("#", 1)[0].strip():
            continue
        begin = begin if kept else number
        kept.append(line)
        depth, quote = _after(line, depth, quote)
        if depth == 0 and not quote:
            yield begin, "\n".join(kept)
            kept = []


def _after(line: str, depth: int, quote: str) -> tuple[int, str]:
    """How many brackets are open after a line, and by what the text ends that is open."""
    at = 0
    while at < len(line):
        if quote:
            if line[at] == "\\" and quote[0] == '"':
                at += 2
            elif line.startswith(quote, at):
                at, quote = at + len(quote), ""
            else:
                at += 1
            continue
        if line[at] == "#":
            break
        quote = next((one for one in _QUOTES if line.startswith(one, at)), "")
        depth += (line[at] in "[{") - (line[at] in "]}")
        at += len(quote) or 1
    return depth, quote if len(quote) == 3 else ""
