"""The closed vocabulary of dataset declarations: the steps that make features of columns, the ways to split."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from federation.protocol.dataset_columns import ColumnName, ColumnNames, Label, Labels, Part
from federation.protocol.dataset_recoding import Clip, Impute, Log, MapValues, Rename
from federation.targets import TARGETS
from federation.validation.bounds import Day

_COMPARISON = re.compile(r"(>=|<=|==|!=|>|<)\s*(-?[0-9]{1,15}(?:\.[0-9]{1,15})?)")

ClassName = Annotated[str, Field(min_length=1, max_length=100)]


class DropColumns(Part):
    """Columns that play no part: they are not even read."""

    step: Literal["drop_columns"]
    columns: ColumnNames


class DropRowsWithMissing(Part):
    """Leave out every row that misses a value in any column that still plays a part."""

    step: Literal["drop_rows_with_missing"]


class Target(Part):
    """What is to be predicted: `positive`, as in ``>0`` (class 1, all else class 0), or the values that are classes.

    Or what else the column holds: `kind` names a target without classes, as ``real`` for a number (protocol 1.1).
    """

    step: Literal["target"]
    column: ColumnName
    positive: Annotated[str, Field(max_length=40)] | None = None
    classes: Labels | None = None
    names: Annotated[tuple[ClassName, ...], Field(max_length=1000)] | None = None
    kind: Annotated[
        Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)] | None,
        Field(exclude_if=lambda given: given is None),
    ] = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind is not None:
            self._check_kind(self.kind)
            return self
        if (self.positive is None) == (self.classes is None):
            raise ValueError("give either positive or classes, or a kind of target that has none")
        if self.positive is not None and not _COMPARISON.fullmatch(self.positive):
            raise ValueError("positive is a comparison with a number, as in >0 or ==2")
        if self.classes is not None and len({str(label) for label in self.classes}) != len(self.classes):
            raise ValueError("classes are distinct")
        if self.names is not None and len(self.names) != self.n_classes:
            raise ValueError("give one name a class")
        return self

    def _check_kind(self, kind: str) -> None:
        without = [target.name for target in TARGETS.values() if not target.has_classes]
        if kind not in without:
            raise ValueError(f"kinds of targets without classes: {', '.join(without)}; others follow from the classes")
        if (self.positive, self.classes, self.names) != (None, None, None):
            raise ValueError(f"a {kind} target has no classes: leave positive, classes and names out")

    @property
    def n_classes(self) -> int | None:
        """Number of classes; None where the target has none."""
        if self.kind is not None:
            return None
        return 2 if self.classes is None else len(self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What people call the classes, in the order of their numbers; none where there are no classes."""
        if self.kind is not None:
            return ()
        if self.names is not None:
            return self.names
        if self.classes is not None:
            return tuple(str(label) for label in self.classes)
        return (f"not {self.column} {self.positive}", f"{self.column} {self.positive}")

    @property
    def comparison(self) -> tuple[str, float] | None:
        """Operator and number of `positive`."""
        match = _COMPARISON.fullmatch(self.positive or "")
        return (match[1], float(match[2])) if match else None


class OneHot(Part):
    """A 0/1 feature for each declared level, so that a silo which lacks a level has the same features."""

    step: Literal["one_hot"]
    columns: ColumnNames
    drop_first: bool = False


class Standardise(Part):
    """Subtract the mean and divide by (standard deviation + epsilon), of the training rows; no names: all features."""

    step: Literal["standardise"]
    columns: ColumnNames | None = None
    ddof: Annotated[int, Field(ge=0, le=1)] = 1
    epsilon: Annotated[float, Field(ge=0, le=1)] = 1e-9
    fit: Literal["train"] = "train"


Step = Annotated[
    DropColumns | Rename | MapValues | DropRowsWithMissing | Impute | Clip | Log | Target | OneHot | Standardise,
    Field(discriminator="step"),
]


class StratifiedShuffle(Part):
    """scikit-learn's ``train_test_split`` of the rows in file order, stratified unless a class has under 3 rows.

    Not stratified where the target has no classes.
    """

    method: Literal["stratified_shuffle"]
    train_fraction: Annotated[float, Field(gt=0, lt=1)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]


class ByColumn(Part):
    """A column says which rows are for training; it is no feature."""

    method: Literal["by_column"]
    column: ColumnName
    train_value: Label


class ByDate(Part):
    """Rows from before a day are for training, all others for testing; the column is no feature (protocol 1.1)."""

    method: Literal["by_date"]
    column: ColumnName
    train_before: Day


Split = Annotated[StratifiedShuffle | ByColumn | ByDate, Field(discriminator="method")]
