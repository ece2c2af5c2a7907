"""Reading CSV and Parquet files, strictly and within limits."""

from __future__ import annotations

import csv
import difflib
import json
import os
import stat
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from federation.protocol.dataset_columns import COLUMNS_MAX
from federation.protocol.datasets import DatasetDeclaration
from silo_connector.trainer.data.errors import DataError, raise_all
from silo_connector.trainer.data.hints import about_encoding, about_names
from silo_connector.trainer.data.lines import uneven_lines

FILE_BYTES_MAX = 16 << 30
CELLS_MAX = 1 << 30
_FIRST_RECORD_BYTES_MAX = 4 << 20
_BLOCK_BYTES = 8 << 20
_UNEVEN_REPORTED_MAX = 20


def read_columns(declaration: DatasetDeclaration, path: Path) -> dict[str, pa.ChunkedArray]:
    """The columns that play a part, by name, as the file has them (texts from CSV). A symbolic link is followed.

    Raises DataError ``data.unreadable``, ``too_large``, ``encoding``, ``missing_column``, ``column_count``,
    ``wrong_delimiter``, ``too_many_columns``, ``duplicate_column``, ``malformed`` or ``no_rows``.
    """
    _check_file(path)
    try:
        table = _read_csv(declaration, path) if declaration.format == "csv" else _read_parquet(declaration, path)
    except OSError as error:
        raise DataError("data.unreadable", f"{path} can't be read: {error}") from error
    if not table.num_rows:
        raise DataError("data.no_rows", f"{path} has no row.")
    check_cells(table.num_rows, len(declaration.features()), path)
    return {column.name: table.column(column.name) for column in declaration.columns_used}


def check_cells(rows: int, features: int, path: Path) -> None:
    """Refuse what would not fit into memory. Raises DataError ``data.too_large``."""
    if rows * features > CELLS_MAX:
        raise DataError(
            "data.too_large", f"{path}: {rows} rows of {features} features are more than {CELLS_MAX} values."
        )


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
    bad: list[tuple[int, int]] = []

    def note(row: pyarrow.csv.InvalidRow) -> str:
        bad.append((row.expected_columns, row.actual_columns))
        return "error"

    try:
        with pa.OSFile(str(path)) as stream:
            return pyarrow.csv.read_csv(
                stream,
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False,
                    block_size=_BLOCK_BYTES,
                    encoding=declaration.encoding,
                    column_names=names,
                    skip_rows_after_names=int(declaration.header),
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
        if bad:
            raise _uneven(declaration, path, *bad[0]) from error
        raise _why_unreadable(declaration, path, error) from error


def _names_of_csv(declaration: DatasetDeclaration, path: Path) -> list[str]:
    """Names for the file's columns, after a look at its first record alone."""
    first = _first_record(declaration, path)
    if len(first) > COLUMNS_MAX:
        raise DataError("data.too_many_columns", f"{path} has {len(first)} columns, {COLUMNS_MAX} are allowed.")
    if declaration.header:
        names = [name.strip() for name in first]
        _check_delimiter(declaration, path, {column.name for column in declaration.columns_used} & {*names})
        _check_names(names, declaration, path)
        return names
    if len(first) != len(declaration.columns):
        wanted = len(declaration.columns)
        _check_delimiter(declaration, path, set())
        raise DataError("data.column_count", f"{path} has {len(first)} columns, {wanted} are declared.")
    return [column.name for column in declaration.columns]


def _check_delimiter(declaration: DatasetDeclaration, path: Path, found: set[str]) -> None:
    """Raise DataError ``data.wrong_delimiter`` where another delimiter finds more of the declared columns."""
    if len(found) == len(declaration.columns_used):
        return
    for delimiter in sorted(set(",;|\t ") - {declaration.delimiter}):
        try:
            names = [name.strip() for name in _first_record(declaration, path, delimiter)]
        except DataError:
            continue
        if declaration.header:
            is_better = len({column.name for column in declaration.columns_used} & {*names}) > len(found)
        else:
            is_better = len(names) == len(declaration.columns)
        if is_better:
            reported, advice = json.dumps(declaration.delimiter), f"Say delimiter = {json.dumps(delimiter)}."
            text = f"{path}: line 1 is divided by {json.dumps(delimiter)}, and {reported} is declared. {advice}"
            raise DataError("data.wrong_delimiter", text)


def _uneven(declaration: DatasetDeclaration, path: Path, expected: int, actual: int) -> DataError:
    """Which lines have more or fewer values than there are columns."""
    found = uneven_lines(declaration, path, expected, _UNEVEN_REPORTED_MAX)
    texts = [f"{path}: line {line} has {values} values, not {expected}." for line, values in found]
    first, *others = texts or [f"{path}: a record has {actual} values, not {expected}."]
    return DataError("data.malformed", first, [DataError("data.malformed", text) for text in others])


def _first_record(declaration: DatasetDeclaration, path: Path, delimiter: str | None = None) -> list[str]:
    with path.open("rb") as stream:
        data = stream.read(_FIRST_RECORD_BYTES_MAX)
    quotes, end = 0, 0
    while end < len(data):
        begin, end = end, data.find(b"\n", end) + 1 or len(data)
        quotes += data.count(b'"', begin, end)
        if quotes % 2 == 0:
            break
    if end >= _FIRST_RECORD_BYTES_MAX:
        raise DataError("data.too_many_columns", f"{path}: the first record is longer than {end} bytes.")
    record = data[:end]
    try:
        text = record.decode("utf-8-sig" if declaration.encoding == "utf-8" else declaration.encoding)
        return next(csv.reader([text.rstrip("\r\n")], delimiter=delimiter or declaration.delimiter, strict=True), [])
    except UnicodeDecodeError as error:
        place = f"line 1, byte {error.start + 1}"
        advice = about_encoding(data, declaration)
        raise DataError("data.encoding", f"{path} is not {declaration.encoding}: {place}. {advice}") from error
    except csv.Error as error:
        raise DataError("data.malformed", f"{path}: the first record can't be read: {error}.") from error


def _read_parquet(declaration: DatasetDeclaration, path: Path) -> pa.Table:
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            if len(names) > COLUMNS_MAX:
                raise DataError("data.too_many_columns", f"{path} has {len(names)} columns, {COLUMNS_MAX} are allowed.")
            _check_names(names, declaration, path)
            check_cells(file.metadata.num_rows, len(declaration.columns_used), path)
            return file.read(columns=[column.name for column in declaration.columns_used], use_threads=False)
    except pa.ArrowException as error:
        raise DataError("data.malformed", f"{path} is no Parquet file that can be read: {error}") from error


def _check_names(names: list[str], declaration: DatasetDeclaration, path: Path) -> None:
    counts, errors = Counter(names), []
    for column in declaration.columns_used:
        if counts[column.name] == 0:
            near = difflib.get_close_matches(column.name.casefold(), [name.casefold() for name in names], 1)
            meant = next((name for name in names if near and name.casefold() == near[0]), None)
            hint = (f" It has {meant[:200]!r}." if meant else "") + about_names(names, declaration)
            errors.append(DataError("data.missing_column", f"{path} has no column {column.name!r}.{hint}"))
        elif counts[column.name] > 1:
            count = counts[column.name]
            text = f"{path} has {count} columns named {column.name!r}. Give each its own name, or drop it."
            errors.append(DataError("data.duplicate_column", text))
    raise_all(errors)


def _why_unreadable(declaration: DatasetDeclaration, path: Path, error: pa.ArrowInvalid) -> DataError:
    """Whether a CSV file that can't be read is in another encoding, and where; else what the reader says."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode(declaration.encoding)
            except UnicodeDecodeError as place:
                where, advice = f"line {number}, byte {place.start + 1}", about_encoding(line, declaration)
                return DataError("data.encoding", f"{path} is not {declaration.encoding}: {where}. {advice}")
    return DataError("data.malformed", f"{path} can't be read: {error}")
