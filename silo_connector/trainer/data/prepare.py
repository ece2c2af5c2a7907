"""From a silo's file to rows that a model can learn from: the declared steps, carried out."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from federation.learning.data import ArrayData
from federation.protocol.datasets import (
    ByColumn,
    DatasetDeclaration,
    DropColumns,
    DropRowsWithMissing,
    OneHot,
    Standardise,
    Target,
)
from silo_connector.trainer.data.errors import DataError
from silo_connector.trainer.data.files import read_columns
from silo_connector.trainer.data.split import split_rows
from silo_connector.trainer.data.table import Labels, Numbers, read_column

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
    """Read the file and carry out the declaration. Raises DataError ``data.*``."""
    raw = read_columns(declaration, path)
    columns = {name: read_column(declaration.columns_by_name[name], raw.pop(name), declaration, path) for name in list(raw)}
    work = _Work(declaration, path, columns, len(next(iter(columns.values())).missing))
    rows_read = work.rows
    for step in declaration.steps:
        match step:
            case DropColumns():
                pass
            case DropRowsWithMissing():
                work.drop_rows_with_missing()
            case Target():
                work.make_target(step)
            case OneHot():
                work.one_hot(step)
            case Standardise():
                work.standardise(step)
    features, is_train = work.matrix(), work.is_train()
    train = ArrayData(features[is_train], work.target[is_train], declaration.n_classes)
    test = ArrayData(features[~is_train], work.target[~is_train], declaration.n_classes)
    return Prepared(train, test, rows_total=work.rows, rows_read=rows_read)


@dataclass
class _Work:
    """The rows between two steps."""

    declaration: DatasetDeclaration
    path: Path
    columns: dict[str, Numbers | Labels]
    rows: int
    features: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    target: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    _split: NDArray[np.bool_] | None = None

    def drop_rows_with_missing(self) -> None:
        keep = np.ones(self.rows, dtype=bool)
        for column in self.columns.values():
            keep &= ~column.missing
        self.columns = {name: column.select(keep) for name, column in self.columns.items()}
        self.features = {name: values[keep] for name, values in self.features.items()}
        self.target = self.target[keep] if len(self.target) else self.target
        self.rows = int(np.count_nonzero(keep))

    def make_target(self, step: Target) -> None:
        column = self._take(step.column)
        if step.comparison is not None:
            assert isinstance(column, Numbers)
            compare, bound = step.comparison
            self.target = np.asarray(_COMPARE[compare](column.values, bound), dtype=np.int64)
            return
        assert step.classes is not None
        self.target = np.full(self.rows, -1, dtype=np.int64)
        for number, label in enumerate(step.classes):
            self.target[_equals(column, label)] = number
        if np.any(self.target < 0):
            row = int(np.argmax(self.target < 0))
            raise DataError(
                "data.bad_value", f"{self.path}: row {row + 1} of those kept: {step.column!r} is none of the classes."
            )

    def one_hot(self, step: OneHot) -> None:
        for name in step.columns:
            column = self._take(name)
            levels = self.declaration.columns_by_name[name].levels
            assert levels is not None
            for level in levels[int(step.drop_first) :]:
                self.features[f"{name}={level}"] = _equals(column, level).astype(np.float64)

    def standardise(self, step: Standardise) -> None:
        train = self.is_train()
        if np.count_nonzero(train) <= step.ddof:
            raise DataError("data.no_rows", f"{self.path}: too few training rows to standardise by.")
        for name in step.columns or self.declaration.features():
            values = self._feature(name)
            mean, deviation = values[train].mean(), values[train].std(ddof=step.ddof)
            self.features[name] = (values - mean) / (deviation + step.epsilon)

    def matrix(self) -> NDArray[np.float32]:
        names = self.declaration.features()
        matrix = np.empty((self.rows, len(names)), dtype=np.float32)
        for place, name in enumerate(names):
            matrix[:, place] = self._feature(name)
        if not np.isfinite(matrix).all():
            row, place = (int(part) for part in np.argwhere(~np.isfinite(matrix))[0])
            raise DataError("data.not_finite", f"{self.path}: row {row + 1} of those kept: {names[place]!r} is too large.")
        return matrix

    def is_train(self) -> NDArray[np.bool_]:
        if self._split is None:
            if not self.rows:
                raise DataError("data.no_rows", f"{self.path}: no row is left after the declared steps.")
            split = self.declaration.split
            if isinstance(split, ByColumn):
                self._split = _equals(self.columns[split.column], split.train_value)
            else:
                self._split = split_rows(split, self.target, self.path)
            if not self._split.any() or self._split.all():
                raise DataError("data.no_rows", f"{self.path}: the split leaves no row for training or for testing.")
        return self._split

    def _take(self, name: str) -> Numbers | Labels:
        column = self.columns.pop(name)
        self._refuse_missing(name, column)
        return column

    def _feature(self, name: str) -> NDArray[np.float64]:
        if name not in self.features:
            column = self._take(name)
            assert isinstance(column, Numbers)
            self.features[name] = column.values
        return self.features[name]

    def _refuse_missing(self, name: str, column: Numbers | Labels) -> None:
        if column.missing.any():
            row = int(np.argmax(column.missing))
            raise DataError("data.missing_value", f"{self.path}: row {row + 1} of those kept misses {name!r}.")


def _equals(column: Numbers | Labels, label: int | str) -> NDArray[np.bool_]:
    if isinstance(column, Numbers):
        return np.asarray(column.values == label) if isinstance(label, int) else np.zeros(len(column.values), dtype=bool)
    place = column.levels.index(str(label)) if str(label) in column.levels else -2
    return np.asarray(column.codes == place)
