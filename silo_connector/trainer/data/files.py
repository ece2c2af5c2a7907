"""Reading CSV and Parquet files, strictly and within limits."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from federation.protocol.datasets import COLUMNS_MAX, Column, DatasetDeclaration
from silo_connector.trainer.data.errors import DataError

FILE_BYTES_MAX = 16 << 30
_FIRST_LINE_BYTES_MAX = 4 << 20
_BLOCK_BYTES = 8 << 20


def read_columns(declaration: DatasetDeclaration, path: Path) -> dict[str, pa.ChunkedArray]:
    """The columns that play a part, by name, as the file has them (texts from CSV).

    Raises DataError ``data.unreadable``, ``too_large``, ``encoding``, ``missing_column``, ``column_count``,
    ``too_many_columns``, ``duplicate_column`` or ``malformed``.
    """
    _check_file(path)
    try:
        table = _read_csv(declaration, path) if declaration.format == "csv" else _read_parquet(declaration, path)
    except OSError as error:
        raise DataError("data.unreadable", f"{path} can't be read: {error}") from error
    return {column.name: table.column(column.name) for column in declaration.columns_used}


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise DataError("data.unreadable", f"{path} can't be read: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        raise DataError("data.unreadable", f"{path} is not a file.")
    if not os.access(path, os.R_OK):
        raise DataError("data.unreadable", f"{path} may not be read by this user.")
    if status.st_size > FILE_BYTES_MAX:
        raise DataError("data.too_large", f"{path} has {status.st_size} bytes, {FILE_BYTES_MAX} are allowed.")
    if status.st_size == 0:
        raise DataError("data.no_rows", f"{path} is empty.")


def _read_csv(declaration: DatasetDeclaration, path: Path) -> pa.Table:
    names = _names_of_csv(declaration, path)
    used = [column.name for column in declaration.columns_used]
    bad_rows: list[tuple[int | None, int, int]] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        bad_rows.append((row.number, row.expected_columns, row.actual_columns))
        return "skip" if len(bad_rows) < 2 else "error"

    try:
        table = pyarrow.csv.read_csv(
            str(path),
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False, block_size=_BLOCK_BYTES, column_names=names, skip_rows_after_names=int(declaration.header)
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=declaration.delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=used,
                column_types={name: pa.string() for name in used},
                strings_can_be_null=False,
                check_utf8=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if not bad_rows:
            raise _why_unreadable(path, error) from error
        table = None
    if bad_rows:
        number, expected, actual = bad_rows[0]
        where = f"record {number}" if number is not None else "a record"
        raise DataError("data.malformed", f"{path}: {where} has {actual} values, not {expected}.")
    return table


def _names_of_csv(declaration: DatasetDeclaration, path: Path) -> list[str]:
    """Names for the file's columns, after a look at its first line alone."""
    with path.open("rb") as stream:
        line = stream.readline(_FIRST_LINE_BYTES_MAX)
    if len(line) == _FIRST_LINE_BYTES_MAX:
        raise DataError("data.too_many_columns", f"{path}: the first line is longer than {_FIRST_LINE_BYTES_MAX} bytes.")
    if line.count(declaration.delimiter.encode()) >= COLUMNS_MAX * 2:
        raise DataError("data.too_many_columns", f"{path} has more than {COLUMNS_MAX} columns.")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError("data.encoding", f"{path} is not UTF-8: line 1, byte {error.start + 1}.") from error
    first = next(csv.reader([text.rstrip("\r\n")], delimiter=declaration.delimiter), [])
    if len(first) > COLUMNS_MAX:
        raise DataError("data.too_many_columns", f"{path} has {len(first)} columns, {COLUMNS_MAX} are allowed.")
    if declaration.header:
        _check_names([name.strip() for name in first], declaration.columns_used, path)
        return [name.strip() for name in first]
    if len(first) != len(declaration.columns):
        raise DataError("data.column_count", f"{path} has {len(first)} columns, {len(declaration.columns)} are declared.")
    return [column.name for column in declaration.columns]


def _read_parquet(declaration: DatasetDeclaration, path: Path) -> pa.Table:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if len(names) > COLUMNS_MAX:
                raise DataError("data.too_many_columns", f"{path} has {len(names)} columns, {COLUMNS_MAX} are allowed.")
            _check_names(names, declaration.columns_used, path)
            return file.read(columns=[column.name for column in declaration.columns_used], use_threads=False)
    except pa.ArrowException as error:
        raise DataError("data.malformed", f"{path} is no Parquet file that can be read: {error}") from error


def _check_names(names: list[str], needed: tuple[Column, ...], path: Path) -> None:
    for column in needed:
        count = names.count(column.name)
        if count == 0:
            raise DataError("data.missing_column", f"{path} has no column {column.name!r}.")
        if count > 1:
            raise DataError("data.duplicate_column", f"{path} has {count} columns named {column.name!r}.")


def _why_unreadable(path: Path, error: pa.ArrowInvalid) -> DataError:
    """Whether a CSV file that can't be read is in another encoding, and where; else what the reader says."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as place:
                return DataError("data.encoding", f"{path} is not UTF-8: line {number}, byte {place.start + 1}.")
    return DataError("data.malformed", f"{path} can't be read: {error}")
