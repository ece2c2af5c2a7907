"""From a silo's file to rows that a model can learn from: the declared steps, carried out."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.learning.data import ArrayData
from federation.protocol.dataset_recoding import Clip, Impute, Log, MapValues, Rename
from federation.protocol.dataset_steps import (
    ByColumn,
    ByDate,
    DropColumns,
    DropRowsWithMissing,
    OneHot,
    Standardise,
    Target,
)
from federation.protocol.datasets import DatasetDeclaration
from silo_connector.trainer.data.errors import DataError, raise_all
from silo_connector.trainer.data.files import read_columns
from silo_connector.trainer.data.lines import where
from silo_connector.trainer.data.recoding import clipped, imputed, logged, mapped
from silo_connector.trainer.data.split import split_rows
from silo_connector.trainer.data.table import EPOCH, CategoricalColumn, Mask, Numbers, read_column

_COMPARE = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Prepared:
    """A silo's rows, split. `rows_total` are in train or test; `rows_read` were in the file."""

    train: ArrayData
    test: ArrayData
    rows_total: int
    rows_read: int


def load(declaration: DatasetDeclaration, path: Path) -> Prepared:
    """Read the file and carry out the declaration. Raises DataError ``data.*``, with all that is wrong in `more`.

    One class among the training rows is allowed: a silo may have nobody of the other.
    """
    raw = read_columns(declaration, path)
    declared = declaration.columns_by_name
    columns: dict[str, Numbers | CategoricalColumn] = {}
    by_name: dict[str, Mask] = {}
    errors: list[DataError] = []
    for name in list(raw):
        try:
            typed = read_column(declared[name], raw.pop(name), declaration, path)
        except DataError as error:
            errors.append(error)
            continue
        columns[name] = typed.column
        errors += typed.errors
        if typed.errors:
            by_name[name] = typed.bad
    if len(columns) < len(declaration.columns_used):
        raise_all(errors)
    work = _Work(declaration, path, columns, by_name)
    rows_read = work.rows
    try:
        features, train = _carried_out(work)
    except DataError as error:
        # where values are wrong, that no row is left may come of it
        raise_all([*errors, *work.errors] or [error])
        raise
    raise_all([*errors, *work.errors])
    return Prepared(
        train=ArrayData(features[train], work.labels[train], declaration.target_kind),
        test=ArrayData(features[~train], work.labels[~train], declaration.target_kind),
        rows_total=work.rows,
        rows_read=rows_read,
    )


def _carried_out(work: _Work) -> tuple[NDArray[np.float32], Mask]:
    """All features, float32 [rows, features], and which rows are for training."""
    for step in work.declaration.steps:
        match step:
            case DropColumns():
                continue  # they were not even read
            case DropRowsWithMissing():
                work.drop_rows_with_missing()
            case Rename():
                work.rename(step)
            case MapValues() | Impute() | Clip() | Log():
                for name in step.columns:
                    work.recode(step, name)
            case Target():
                work.make_target(step)
            case OneHot():
                work.one_hot(step)
            case Standardise():
                work.standardise(step)
    train = work.training_rows()
    return work.matrix(), train


class _Work:
    """The rows between two steps. `numbers` are the rows' places in the file, for messages.

    What is wrong with values is kept in `errors`, and the work goes on with others in their place to find the rest.
    `reported` [rows of the file] of a column, by its name in the file, says where that was reported already.
    """

    def __init__(
        self,
        declaration: DatasetDeclaration,
        path: Path,
        columns: dict[str, Numbers | CategoricalColumn],
        reported: dict[str, Mask],
    ) -> None:
        self.declaration = declaration
        self.path = path
        self.columns = columns
        self.numbers = np.arange(len(next(iter(columns.values())).missing))
        self.errors: list[DataError] = []
        self.raw = {name: name for name in columns}
        self.reported = reported
        self.features: dict[str, NDArray[np.float64]] = {}
        self.labels: NDArray[Any] = np.empty(0, dtype=np.int64)
        self._train: Mask | None = None

    @property
    def rows(self) -> int:
        """Number of rows that are left."""
        return len(self.numbers)

    def drop_rows_with_missing(self) -> None:
        keep = np.ones(self.rows, dtype=bool)
        for column in self.columns.values():
            keep &= ~column.missing
        self.columns = {name: column.select(keep) for name, column in self.columns.items()}
        self.features = {name: values[keep] for name, values in self.features.items()}
        self.labels = self.labels[keep] if len(self.labels) else self.labels
        self.numbers = self.numbers[keep]
        if not self.rows:
            raise DataError("data.no_rows", f"{self.path}: every row misses a value.")

    def rename(self, step: Rename) -> None:
        new = {one.column: one.to for one in step.renames}
        self.columns = {new.get(name, name): column for name, column in self.columns.items()}
        self.raw = {new.get(name, name): raw for name, raw in self.raw.items()}

    def recode(self, step: MapValues | Impute | Clip | Log, name: str) -> None:
        column, bad = self.columns[name], np.zeros(self.rows, dtype=bool)
        match step:
            case MapValues():
                self.columns[name], bad = mapped(column, step)
                why = "is not among the mapped values"
            case Impute():
                self.columns[name] = imputed(column, step)
                why = ""
            case Clip():
                assert isinstance(column, Numbers)
                self.columns[name] = clipped(column, step)
                why = ""
            case Log():
                assert isinstance(column, Numbers)
                self.columns[name], bad = logged(column, step)
                why = f"has no logarithm: it is not above {-step.offset:g}"
        if bad.any():
            self.refuse("data.bad_value", bad, name, why)

    def make_target(self, step: Target) -> None:
        column = self.take(step.column)
        if step.kind is not None:
            assert isinstance(column, Numbers)
            self.labels, bad = self.declaration.target_kind.labels_of(column.values)
            if bad.any():
                self.refuse("data.bad_value", bad, step.column, f"is no label of a {step.kind} target")
            return
        if step.comparison is not None:
            assert isinstance(column, Numbers)
            compare, bound = step.comparison
            self.labels = _COMPARE[compare](column.values, bound).astype(np.int64)
            return
        assert step.classes is not None
        self.labels = np.full(self.rows, -1, dtype=np.int64)
        for number, label in enumerate(step.classes):
            self.labels[column.equals(label)] = number
        if np.any(self.labels < 0):
            self.refuse("data.bad_value", self.labels < 0, step.column, "is none of the classes")
            self.labels[self.labels < 0] = 0

    def one_hot(self, step: OneHot) -> None:
        for name in step.columns:
            column = self.take(name)
            for feature in self.declaration.trace.features:
                if feature.level is not None and feature.column.name == name:
                    self.features[feature.name] = column.equals(feature.level).astype(np.float64)

    def standardise(self, step: Standardise) -> None:
        train = self.training_rows()
        if np.count_nonzero(train) <= step.ddof:
            raise DataError("data.no_rows", f"{self.path}: too few training rows to standardise by.")
        for name in step.columns or self.declaration.features():
            values = self.feature(name)
            mean, deviation = values[train].mean(), values[train].std(ddof=step.ddof)
            scale = deviation + step.epsilon
            self.features[name] = (values - mean) / scale if scale else np.zeros_like(values)

    def matrix(self) -> NDArray[np.float32]:
        """All features, float32 [rows, features]."""
        names = self.declaration.features()
        matrix = np.empty((self.rows, len(names)), dtype=np.float32)
        with np.errstate(over="ignore"):
            for place, name in enumerate(names):
                matrix[:, place] = self.feature(name)
                if not np.isfinite(matrix[:, place]).all():
                    self.refuse("data.not_finite", ~np.isfinite(matrix[:, place]), name, "is too large")
        return matrix

    def training_rows(self) -> Mask:
        """Which rows are for training; decided once, when no row can be dropped any more."""
        if self._train is None:
            split = self.declaration.split
            if isinstance(split, ByColumn):
                self._train = self.take(split.column).equals(split.train_value)
            elif isinstance(split, ByDate):
                dates = self.take(split.column)
                assert isinstance(dates, Numbers)
                self._train = dates.values < (split.train_before - EPOCH).days
            else:
                has_classes = self.declaration.target_kind.has_classes
                self._train = split_rows(split, self.labels if has_classes else np.zeros(self.rows, int), self.path)
            if not self._train.any() or self._train.all():
                raise DataError("data.no_rows", f"{self.path}: the split leaves no row for training or for testing.")
        return self._train

    def feature(self, name: str) -> NDArray[np.float64]:
        """A feature's values so far."""
        if name not in self.features:
            column = self.take(name)
            assert isinstance(column, Numbers)
            self.features[name] = column.values
        return self.features[name]

    def take(self, name: str) -> Numbers | CategoricalColumn:
        """A column that may not miss values any more."""
        column = self.columns.pop(name)
        if column.missing.any():
            self.refuse("data.missing_value", column.missing, name, "is missing")
            if isinstance(column, Numbers):
                return Numbers(np.nan_to_num(column.values))
            return CategoricalColumn(np.maximum(column.codes, 0), column.texts or ("",))
        return column

    def refuse(self, code: str, bad: Mask, name: str, why: str) -> None:
        """Note what is wrong, if it wasn't reported yet: the first such row, and how many there are."""
        raw = self.raw.get(name, name)
        if raw in self.reported:
            bad = bad & ~self.reported[raw][self.numbers]
        if not bad.any():
            return
        place = where(self.declaration, self.path, int(self.numbers[int(np.argmax(bad))]))
        called = f"{name!r}" if raw == name else f"{raw!r} (renamed {name!r})"
        others = int(np.count_nonzero(bad)) - 1
        more = f" So it is in {others} more rows." if others else ""
        self.errors.append(DataError(code, f"{self.path}: {place}, column {called}: the value {why}.{more}"))
