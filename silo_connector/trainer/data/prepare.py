"""From a silo's file to rows that a model can learn from: the declared steps, carried out."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from federation.learning.data import ArrayData
from federation.protocol.dataset_steps import ByColumn, DropColumns, DropRowsWithMissing, OneHot, Standardise, Target
from federation.protocol.datasets import DatasetDeclaration
from silo_connector.trainer.data.errors import DataError
from silo_connector.trainer.data.files import read_columns
from silo_connector.trainer.data.split import split_rows
from silo_connector.trainer.data.table import Codes, Mask, Numbers, read_column

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
    """Read the file and carry out the declaration. Raises DataError ``data.*``.

    One class among the training rows is allowed: a silo may have nobody of the other.
    """
    raw = read_columns(declaration, path)
    declared = declaration.columns_by_name
    columns = {name: read_column(declared[name], raw.pop(name), declaration, path) for name in list(raw)}
    work = _Work(declaration, path, columns)
    rows_read = work.rows
    for step in declaration.steps:
        match step:
            case DropColumns():
                continue  # they were not even read
            case DropRowsWithMissing():
                work.drop_rows_with_missing()
            case Target():
                work.make_target(step)
            case OneHot():
                work.one_hot(step)
            case Standardise():
                work.standardise(step)
    features, train = work.matrix(), work.training_rows()
    return Prepared(
        train=ArrayData(features[train], work.target[train], declaration.n_classes),
        test=ArrayData(features[~train], work.target[~train], declaration.n_classes),
        rows_total=work.rows,
        rows_read=rows_read,
    )


class _Work:
    """The rows between two steps. `numbers` are the rows' places in the file, for messages."""

    def __init__(self, declaration: DatasetDeclaration, path: Path, columns: dict[str, Numbers | Codes]) -> None:
        self.declaration = declaration
        self.path = path
        self.columns = columns
        self.numbers = np.arange(1, 1 + len(next(iter(columns.values())).missing))
        self.features: dict[str, NDArray[np.float64]] = {}
        self.target = np.empty(0, dtype=np.int64)
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
        self.target = self.target[keep] if len(self.target) else self.target
        self.numbers = self.numbers[keep]
        if not self.rows:
            raise DataError("data.no_rows", f"{self.path}: every row misses a value.")

    def make_target(self, step: Target) -> None:
        column = self.take(step.column)
        if step.comparison is not None:
            assert isinstance(column, Numbers)
            compare, bound = step.comparison
            self.target = _COMPARE[compare](column.values, bound).astype(np.int64)
            return
        assert step.classes is not None
        self.target = np.full(self.rows, -1, dtype=np.int64)
        for number, label in enumerate(step.classes):
            self.target[column.equals(label)] = number
        if np.any(self.target < 0):
            self.refuse("data.bad_value", self.target < 0, step.column, "is none of the classes")

    def one_hot(self, step: OneHot) -> None:
        for name in step.columns:
            column = self.take(name)
            levels = self.declaration.columns_by_name[name].levels
            assert levels is not None
            for level in levels[int(step.drop_first) :]:
                self.features[f"{name}={level}"] = column.equals(level).astype(np.float64)

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
            else:
                self._train = split_rows(split, self.target, self.path)
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

    def take(self, name: str) -> Numbers | Codes:
        """A column that may not miss values any more."""
        column = self.columns.pop(name)
        if column.missing.any():
            self.refuse("data.missing_value", column.missing, name, "is missing")
        return column

    def refuse(self, code: str, bad: Mask, name: str, why: str) -> NoReturn:
        row = self.numbers[int(np.argmax(bad))]
        raise DataError(code, f"{self.path}: row {row}, column {name!r}: the value {why}.")
