"""Columns of a silo's file on their way to features: typed as declared, with what is missing marked."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from time import strptime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from federation.protocol.dataset_columns import Column, Label
from federation.protocol.datasets import DatasetDeclaration
from silo_connector.trainer.data.errors import DataError
from silo_connector.trainer.data.hints import about_number
from silo_connector.trainer.data.lines import where

Mask = NDArray[np.bool_]
EPOCH = date(1970, 1, 1)
_DATE_FORMATS = {
    "yyyy-mm-dd": "%Y-%m-%d",
    "dd.mm.yyyy": "%d.%m.%Y",
    "dd/mm/yyyy": "%d/%m/%Y",
    "mm/dd/yyyy": "%m/%d/%Y",
    "yyyymmdd": "%Y%m%d",
}
_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?( ?[AP]M|Z|[+-][0-9]{2}:?[0-9]{2})?")
_PLAIN_NUMBER = r"^[+-]?[0-9]+(\.[0-9]+)?$"
_OTHERS_SHOWN_MAX = 5
_WHOLE_MAX = 2.0**53 - 1


@dataclass
class Numbers:
    """A column as float64 [rows]: NaN where missing, all else finite."""

    values: NDArray[np.float64]

    @property
    def missing(self) -> Mask:
        """Which rows miss a value."""
        return np.isnan(self.values)

    def select(self, rows: Mask) -> Numbers:
        """The column with only these rows."""
        return Numbers(self.values[rows])

    def equals(self, label: Label) -> Mask:
        """Which rows have this value."""
        return np.asarray(self.values == float(label))


@dataclass
class CategoricalColumn:
    """A column of texts, numbered: `codes` int64 [rows] into `texts`, -1 where missing."""

    codes: NDArray[np.int64]
    texts: tuple[str, ...]

    @property
    def missing(self) -> Mask:
        """Which rows miss a value."""
        return np.asarray(self.codes < 0)

    def select(self, rows: Mask) -> CategoricalColumn:
        """The column with only these rows."""
        return CategoricalColumn(self.codes[rows], self.texts)

    def equals(self, label: Label) -> Mask:
        """Which rows have this value."""
        place = self.texts.index(str(label)) if str(label) in self.texts else -2
        return np.asarray(self.codes == place)


@dataclass
class Typed:
    """A column as declared. Values that are not stand as missing; `bad` [rows] says which, `errors` why."""

    column: Numbers | CategoricalColumn
    bad: Mask
    errors: tuple[DataError, ...]


def read_column(column: Column, raw: pa.ChunkedArray, declaration: DatasetDeclaration, path: Path) -> Typed:
    """A column as its declaration says. What is not is shown with ``data.bad_value``, line and column.

    Raises DataError ``data.bad_type`` for a column that holds something else altogether.
    """
    reading = _Reading(column, declaration, path, np.zeros(len(raw), dtype=bool))
    return Typed(reading.read(raw), reading.bad, tuple(reading.errors))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


@dataclass(frozen=True)
class _Reading:
    column: Column
    declaration: DatasetDeclaration
    path: Path
    bad: Mask
    errors: list[DataError] = field(default_factory=list)

    def read(self, raw: pa.ChunkedArray) -> Numbers | CategoricalColumn:
        raw = self.plain(raw)
        if _is_text(raw.type):
            raw = pc.utf8_trim_whitespace(raw)
            tokens = pa.array(["", *self.declaration.missing], type=raw.type)
            raw = pc.if_else(pc.is_in(raw, value_set=tokens), pa.scalar(None, type=raw.type), raw)
        if self.column.type == "date":
            return self.dates(raw)
        return self.numbers(raw) if self.column.is_numeric else self.codes(raw)

    def plain(self, raw: pa.ChunkedArray) -> pa.ChunkedArray:
        """The values as texts or as numbers, from whatever the file holds."""
        kind = raw.type
        if pa.types.is_dictionary(kind):
            raw = raw.cast(kind.value_type)
            kind = raw.type
        if pa.types.is_boolean(kind):
            return raw.cast(pa.int8()) if self.column.is_numeric else raw.cast(pa.string())
        if pa.types.is_null(kind) or pa.types.is_string_view(kind):
            return raw.cast(pa.string())
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return raw if self.column.is_numeric else raw.cast(pa.string())
        if self.column.type == "date" and (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
            return pc.strftime(raw, format=_DATE_FORMATS[self.column.date_format or "yyyy-mm-dd"])
        if not _is_text(kind):
            raise DataError(
                "data.bad_type", f"{self.path}: column {self.column.name!r} holds {kind}, not {self.column.type}."
            )
        return raw

    def numbers(self, raw: pa.ChunkedArray) -> Numbers:
        column = self.column
        cast = self.cast(raw) if _is_text(raw.type) else self.cast_numbers(raw)
        values = np.array(cast.fill_null(np.nan).to_numpy(), dtype=np.float64)
        present = ~np.isnan(values)
        if _is_text(raw.type):  # a text that says "nan" is no number
            present = np.array(raw.is_valid().to_numpy(), dtype=bool) & ~self.bad
        for sentinel in _as_numbers(self.declaration.missing):
            present &= values != sentinel
        values[~present] = np.nan
        self.refuse(raw, present & ~np.isfinite(values), "is not a finite number")
        if column.type == "integer" or column.levels is not None:
            self.refuse(raw, present & (values != np.floor(values)), "is not a whole number")
        if column.levels is not None:
            levels = np.array(column.levels, dtype=np.float64)
            self.refuse(raw, present & ~np.isin(values, levels), "is not among the declared levels")
        if column.minimum is not None:
            self.refuse(raw, present & (values < column.minimum), f"is below {column.minimum:g}")
        if column.maximum is not None:
            self.refuse(raw, present & (values > column.maximum), f"is above {column.maximum:g}")
        values[self.bad] = np.nan
        return Numbers(values)

    def cast_numbers(self, raw: pa.ChunkedArray) -> pa.ChunkedArray:
        """Numbers of another kind as float64; null where one is too large to stay what it is."""
        try:
            return pc.cast(raw, pa.float64())
        except pa.ArrowInvalid:
            cast = pc.cast(raw, pa.float64(), safe=False)
            is_wrong = pc.greater(pc.abs(cast), _WHOLE_MAX).fill_null(False)
            self.refuse(raw, np.array(is_wrong.to_numpy(), dtype=bool), f"is not within {_WHOLE_MAX:.0f}")
            return pc.if_else(is_wrong, pa.scalar(None, type=pa.float64()), cast)

    def cast(self, raw: pa.ChunkedArray) -> pa.ChunkedArray:
        """Texts as numbers; null where one is missing or is no number."""
        texts, mark = raw, self.declaration.decimal
        if mark != ".":  # a dot is no decimal mark then, and never read as one
            texts = pc.replace_substring(pc.replace_substring(raw, ".", "?"), mark, ".")
        try:
            return pc.cast(texts, pa.float64())
        except pa.ArrowInvalid:
            looks_right = pc.match_substring_regex(texts, _PLAIN_NUMBER).fill_null(True)
            doubtful = pc.unique(texts.filter(pc.invert(looks_right)))
            wrong = pa.array([text for text in doubtful.to_pylist() if not _is_number(text)], type=raw.type)
            is_wrong = pc.is_in(texts, value_set=wrong)
            bad = np.array(is_wrong.to_numpy(), dtype=bool)
            first = raw[int(np.argmax(bad))].as_py()
            self.refuse(raw, bad, "is not a number", about_number(first, self.declaration))
            return pc.cast(pc.if_else(is_wrong, pa.scalar(None, type=raw.type), texts), pa.float64())

    def dates(self, raw: pa.ChunkedArray) -> Numbers:
        found = self.codes(raw)
        days = np.array([*(self.day(text) for text in found.texts), np.nan])
        values = days[found.codes]
        wanted = self.column.date_format
        self.refuse(raw, ~found.missing & np.isnan(values), f"is no date written as {wanted}")
        return Numbers(values)

    def day(self, text: str) -> float:
        """Days since 1970; a time of day after the date plays no part. NaN for what is no such date."""
        day, _, time = text.replace("T", " ", 1).partition(" ")
        try:
            if time and not _TIME.fullmatch(time):
                return np.nan
            return float((date(*strptime(day, _DATE_FORMATS[self.column.date_format or ""])[:3]) - EPOCH).days)
        except (ValueError, KeyError):
            return np.nan

    def codes(self, raw: pa.ChunkedArray) -> CategoricalColumn:
        joined = raw.cast(pa.string()).combine_chunks()
        encoded = pc.dictionary_encode(joined)
        found = tuple(encoded.dictionary.to_pylist())
        codes = np.array(encoded.indices.fill_null(-1).to_numpy(), dtype=np.int64)
        if self.column.levels is None:
            return CategoricalColumn(codes, found)
        texts = tuple(str(level) for level in self.column.levels)
        places = {text: place for place, text in enumerate(texts)}
        renumbered = np.array([*(places.get(text, -2) for text in found), -1], dtype=np.int64)[codes]
        self.refuse(raw, renumbered == -2, "is not among the declared levels")
        return CategoricalColumn(np.maximum(renumbered, -1), texts)

    def refuse(self, raw: pa.ChunkedArray, bad: Mask, why: str, hint: str = "") -> None:
        """Note what is wrong: the first such value, in how many rows it is so, and with which others."""
        bad = bad & ~self.bad
        if not bad.any():
            return
        self.bad[:] |= bad
        row, count = int(np.argmax(bad)), int(np.count_nonzero(bad))
        place = where(self.declaration, self.path, row)
        more = f" So it is in {count - 1} more rows." if count > 1 else ""
        value, *others = pc.unique(raw.filter(pa.array(bad))).to_pylist()
        if 0 < len(others) <= _OTHERS_SHOWN_MAX:
            more = f"{more[:-1]}, with {', '.join(map(_shown, others))} too."
        text = f"{self.path}: {place}, column {self.column.name!r}: {_shown(value)} {why}{hint}.{more}"
        self.errors.append(DataError("data.bad_value", text))


def _shown(value: Any) -> str:
    return repr(value[:60] if isinstance(value, str) else value)


def _is_number(text: str) -> bool:
    try:
        pc.cast(pa.scalar(text), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _as_numbers(tokens: tuple[str, ...]) -> list[float]:
    """The numbers among the tokens that stand for a missing value, as -9 is in many files."""
    found = []
    for token in tokens:
        try:
            found.append(float(token))
        except ValueError:
            continue
    return found
