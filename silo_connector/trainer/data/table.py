"""A silo's rows on their way to features: columns of one length, with what is missing marked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from federation.protocol.datasets import Column, DatasetDeclaration
from silo_connector.trainer.data.errors import DataError


@dataclass
class Numbers:
    """A column as float64 [rows]: NaN where missing, all else finite."""

    values: NDArray[np.float64]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows miss a value."""
        return np.isnan(self.values)

    def select(self, rows: NDArray[np.bool_]) -> Numbers:
        """The column with only these rows."""
        return Numbers(self.values[rows])


@dataclass
class Labels:
    """A column as texts, numbered: `codes` int64 [rows] into `levels`, -1 where missing."""

    codes: NDArray[np.int64]
    levels: tuple[str, ...]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Which rows miss a value."""
        return self.codes < 0

    def select(self, rows: NDArray[np.bool_]) -> Labels:
        """The column with only these rows."""
        return Labels(self.codes[rows], self.levels)


def read_column(column: Column, raw: pa.ChunkedArray, declaration: DatasetDeclaration, path: Path) -> Numbers | Labels:
    """A column as declared, from the file's own values.

    Raises DataError ``data.bad_value``, naming file, row (the first is 1) and column.
    """
    if not (pa.types.is_string(raw.type) or pa.types.is_large_string(raw.type)):
        raw = _as_text_or_number(column, raw, path)
    texts = pa.types.is_string(raw.type) or pa.types.is_large_string(raw.type)
    if texts:
        raw = pc.utf8_trim_whitespace(raw)
        tokens = pa.array(["", *declaration.missing], type=raw.type)
        raw = pc.if_else(pc.is_in(raw, value_set=tokens), pa.scalar(None, type=raw.type), raw)
    numeric = column.type in ("number", "integer") or (column.levels is not None and isinstance(column.levels[0], int))
    if numeric:
        return _numbers(column, raw, path)
    return _labels(column, raw, path)


def _as_text_or_number(column: Column, raw: pa.ChunkedArray, path: Path) -> pa.ChunkedArray:
    kind = raw.type
    if pa.types.is_dictionary(kind):
        return raw.cast(pa.string())
    if pa.types.is_boolean(kind):
        return raw.cast(pa.int8())
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return raw if column.type in ("number", "integer") or column.levels else raw.cast(pa.string())
    if pa.types.is_null(kind):
        return raw.cast(pa.string())
    if pa.types.is_string_view(kind):
        return raw.cast(pa.string())
    raise DataError("data.bad_type", f"{path}: column {column.name!r} holds {kind}, which is not {column.type}.")


def _numbers(column: Column, raw: pa.ChunkedArray, path: Path) -> Numbers:
    try:
        cast = pc.cast(raw, pa.float64())
    except pa.ArrowInvalid:
        _raise_first_bad_number(column, raw, path)
        raise
    values = cast.to_numpy(zero_copy_only=False) if len(cast) else np.empty(0)
    values = np.array(values, dtype=np.float64)
    present = ~np.asarray(cast.is_null().to_numpy(zero_copy_only=False), dtype=bool)
    values[~present] = np.nan
    _refuse(column, raw, path, present & ~np.isfinite(values), "is not a finite number")
    if column.type == "integer" or column.levels is not None:
        _refuse(column, raw, path, present & (values != np.floor(values)), "is not a whole number")
    if column.levels is not None:
        allowed = np.array(column.levels, dtype=np.float64)
        _refuse(column, raw, path, present & ~np.isin(values, allowed), "is not among the declared levels")
    if column.minimum is not None:
        _refuse(column, raw, path, present & (values < column.minimum), f"is below {column.minimum:g}")
    if column.maximum is not None:
        _refuse(column, raw, path, present & (values > column.maximum), f"is above {column.maximum:g}")
    return Numbers(values)


def _labels(column: Column, raw: pa.ChunkedArray, path: Path) -> Labels:
    encoded = pc.dictionary_encode(raw.cast(pa.string())).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0) if encoded.num_chunks else pa.DictionaryArray.from_arrays([], pa.array([], pa.string()))
    found = tuple(encoded.dictionary.to_pylist())
    codes = np.array(encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int64)
    if column.levels is None:
        return Labels(codes, found)
    levels = tuple(str(level) for level in column.levels)
    places = {level: place for place, level in enumerate(levels)}
    renumber = np.array([*(places.get(level, -2) for level in found), -1], dtype=np.int64)
    codes = renumber[codes]
    _refuse(column, raw, path, codes == -2, "is not among the declared levels")
    return Labels(codes, levels)


def _refuse(column: Column, raw: pa.ChunkedArray, path: Path, bad: NDArray[np.bool_], why: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        _raise_bad_value(column, raw[row].as_py(), row, path, why)


def _raise_first_bad_number(column: Column, raw: pa.ChunkedArray, path: Path) -> None:
    for row, value in enumerate(raw):
        try:
            pc.cast(value, pa.float64())
        except pa.ArrowInvalid:
            _raise_bad_value(column, value.as_py(), row, path, "is not a number")


def _raise_bad_value(column: Column, value: Any, row: int, path: Path, why: str) -> None:
    shown = repr(value if not isinstance(value, str) else value[:60])
    raise DataError("data.bad_value", f"{path}: row {row + 1}, column {column.name!r}: {shown} {why}.")
