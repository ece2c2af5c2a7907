"""Where a row is in its file, for anyone who opens it in an editor. Read only when something is wrong."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from federation.protocol.datasets import DatasetDeclaration

_FIELD_CHARACTERS_MAX = 1 << 24


def where(declaration: DatasetDeclaration, path: Path, row: int) -> str:
    """The line on which a row begins (rows count from 0, lines from 1); the row's number where there are no lines."""
    if declaration.format == "csv":
        for number, (line, _) in enumerate(_records(declaration, path), start=-int(declaration.header)):
            if number == row:
                return f"line {line}"
    return f"row {row + 1}"


def uneven_lines(declaration: DatasetDeclaration, path: Path, expected: int, at_most: int) -> list[tuple[int, int]]:
    """The lines whose number of values is not the expected one, with that number; no more than `at_most` of them."""
    found: list[tuple[int, int]] = []
    for line, values in _records(declaration, path):
        if values != expected:
            found.append((line, values))
        if len(found) == at_most:
            break
    return found


def _records(declaration: DatasetDeclaration, path: Path) -> Iterator[tuple[int, int]]:
    """The line on which each record begins and its number of values, header included. Empty lines are no records."""
    before = csv.field_size_limit(_FIELD_CHARACTERS_MAX)
    encoding = "utf-8-sig" if declaration.encoding == "utf-8" else declaration.encoding
    try:
        with path.open(encoding=encoding, errors="replace", newline="") as stream:
            reader, last = csv.reader(stream, delimiter=declaration.delimiter), 0
            for record in reader:
                if record:
                    yield last + 1, len(record)
                last = reader.line_num
    except (OSError, csv.Error):
        return  # it can't be determined then, and the row's number has to do
    finally:
        csv.field_size_limit(before)
