"""What a silo declares about its data: columns, the steps that make features of them, the split. Never a value, never a path.

The vocabulary is closed: a declaration is read by the platform and other members before anything runs, and carried out by
the silo's trainer alone. Steps run in their order; one-hot features go to the end, all else keeps the columns' order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError, model_validator

from federation.errors import Invalid
from federation.protocol.digests import digest_bytes

COLUMNS_MAX = 10_000
FEATURES_MAX = 100_000
_COMPARISON = re.compile(r"(>=|<=|==|!=|>|<)\s*(-?\d{1,15}(?:\.\d{1,15})?)")

ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
ColumnNames = Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=COLUMNS_MAX)]
Label = StrictInt | Annotated[StrictStr, Field(min_length=1, max_length=200)]
Labels = Annotated[tuple[Label, ...], Field(min_length=2, max_length=1000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Column(_Part):
    """A column of the file. A value that is not of the type, among the levels, or within the bounds is a data error."""

    name: ColumnName
    type: Literal["number", "integer", "category", "text"]
    levels: Labels | None = None
    unit: Annotated[str, Field(max_length=50)] | None = None
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.levels is not None:
            if self.type == "number" or self.type == "text":
                raise ValueError(f"levels belong to integer and category columns, not to {self.type}")
            if len(set(self.levels)) != len(self.levels) or len({type(level) for level in self.levels}) != 1:
                raise ValueError("levels are distinct, and all whole numbers or all texts")
            if self.type == "integer" and not isinstance(self.levels[0], int):
                raise ValueError("levels of an integer column are whole numbers")
        if (self.minimum is not None or self.maximum is not None) and self.type not in ("number", "integer"):
            raise ValueError(f"bounds belong to numbers, not to {self.type}")
        return self


class DropColumns(_Part):
    """Columns that play no part: they are not even read."""

    step: Literal["drop_columns"]
    columns: ColumnNames


class DropRowsWithMissing(_Part):
    """Leave out every row that misses a value in one of the columns that still play a part."""

    step: Literal["drop_rows_with_missing"]


class Target(_Part):
    """What is to be predicted: `positive`, as in ``>0`` (class 1, all else class 0), or the values that are the classes."""

    step: Literal["target"]
    column: ColumnName
    positive: Annotated[str, Field(max_length=40)] | None = None
    classes: Labels | None = None
    names: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=100)], ...], Field(max_length=1000)] | None = (
        None
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.positive is None) == (self.classes is None):
            raise ValueError("give either positive or classes")
        if self.positive is not None and not _COMPARISON.fullmatch(self.positive):
            raise ValueError("positive is a comparison with a number, as in >0 or ==2")
        if self.classes is not None and len(set(self.classes)) != len(self.classes):
            raise ValueError("classes are distinct")
        if self.names is not None and len(self.names) != self.n_classes:
            raise ValueError("give one name a class")
        return self

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return 2 if self.classes is None else len(self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What people call the classes, in the order of their numbers."""
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


class OneHot(_Part):
    """A 0/1 feature for each declared level, so that a silo that lacks a level has the same features."""

    step: Literal["one_hot"]
    columns: ColumnNames
    drop_first: bool = False


class Standardise(_Part):
    """Subtract the mean and divide by (standard deviation + epsilon), both of the training rows. All features if none is named."""

    step: Literal["standardise"]
    columns: ColumnNames | None = None
    ddof: Annotated[int, Field(ge=0, le=1)] = 1
    epsilon: Annotated[float, Field(ge=0, le=1)] = 1e-9
    fit: Literal["train"] = "train"


Step = Annotated[DropColumns | DropRowsWithMissing | Target | OneHot | Standardise, Field(discriminator="step")]


class StratifiedShuffle(_Part):
    """scikit-learn's ``train_test_split`` over the rows in file order, stratified unless a class has fewer than 3 rows."""

    method: Literal["stratified_shuffle"]
    train_fraction: Annotated[float, Field(gt=0, lt=1)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]


class ByColumn(_Part):
    """A column says which rows are for training; it is no feature."""

    method: Literal["by_column"]
    column: ColumnName
    train_value: Label


Split = Annotated[StratifiedShuffle | ByColumn, Field(discriminator="method")]


class DatasetDeclaration(_Part):
    """A data set as its silo describes it to the consortium."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=4000)] = ""
    format: Literal["csv", "parquet"] = "csv"
    delimiter: Annotated[str, Field(pattern=r"^[,;|\t ]$")] = ","
    header: bool = True
    missing: Annotated[tuple[Annotated[str, Field(max_length=50)], ...], Field(max_length=50)] = ()
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=COLUMNS_MAX)]
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=100)]
    split: Split

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({column.name for column in self.columns}) != len(self.columns):
            raise ValueError("columns have distinct names")
        if not _trace(self):
            raise ValueError("no feature is left")
        return self

    @property
    def target(self) -> Target:
        """The step that makes the target (there is exactly one)."""
        return next(step for step in self.steps if isinstance(step, Target))

    @property
    def n_classes(self) -> int:
        """Number of classes of the target."""
        return self.target.n_classes

    @property
    def class_names(self) -> tuple[str, ...]:
        """What people call the classes, in the order of their numbers."""
        return self.target.class_names

    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order in which a model gets them."""
        return self._features

    @cached_property
    def _features(self) -> tuple[str, ...]:
        return _trace(self)

    @cached_property
    def columns_by_name(self) -> Mapping[str, Column]:
        """The declared columns, by name."""
        return {column.name: column for column in self.columns}

    @property
    def columns_used(self) -> tuple[Column, ...]:
        """The columns that are read: all but the dropped."""
        dropped = {name for step in self.steps if isinstance(step, DropColumns) for name in step.columns}
        return tuple(column for column in self.columns if column.name not in dropped)

    @property
    def schema_digest(self) -> str:
        """Digest of what must be equal for silos to train together: features, what they mean, classes, steps, split.

        Names, titles, file format and dropped columns may differ.
        """
        kept = [
            column.model_dump(mode="json", include={"name", "type", "levels", "unit"}) for column in self.columns_used
        ]
        steps = [step.model_dump(mode="json") for step in self.steps if not isinstance(step, DropColumns)]
        meaning = {
            "version": 1,
            "columns": kept,
            "steps": steps,
            "split": self.split.model_dump(mode="json"),
            "features": self.features(),
            "classes": self.class_names,
        }
        return digest_bytes(json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def _trace(declaration: DatasetDeclaration) -> tuple[str, ...]:
    """Follow the columns through the steps: the features' names. Raises ValueError where a step can't be carried out."""
    types = {column.name: column for column in declaration.columns}
    plain = {column.name for column in declaration.columns}
    encoded: list[str] = []
    targets = 0
    standardised = False

    def take(names: tuple[str, ...], step: str) -> None:
        for name in names:
            if name not in plain:
                raise ValueError(f"{step} names {name!r}, which is not a column at that point")
            plain.remove(name)

    if isinstance(declaration.split, ByColumn):
        take((declaration.split.column,), "split")
    for step in declaration.steps:
        if isinstance(step, DropColumns):
            take(step.columns, step.step)
        elif isinstance(step, Target):
            take((step.column,), step.step)
            targets += 1
            if step.positive is not None and types[step.column].type not in ("number", "integer"):
                raise ValueError("positive needs a column of numbers")
        elif isinstance(step, OneHot):
            take(step.columns, step.step)
            for name in step.columns:
                levels = types[name].levels
                if levels is None:
                    raise ValueError(f"one_hot needs the levels of {name!r}")
                encoded += [f"{name}={level}" for level in levels[int(step.drop_first) :]]
        elif isinstance(step, Standardise):
            standardised = True
            known = {*plain, *encoded}
            if unknown := [name for name in step.columns or () if name not in known]:
                raise ValueError(f"standardise names {unknown[0]!r}, which is not a feature at that point")
        if standardised and not isinstance(step, Standardise):
            raise ValueError("standardise comes last")
    if targets != 1:
        raise ValueError("there is exactly one target step")
    left = [column.name for column in declaration.columns if column.name in plain]
    for name in left:
        if types[name].type not in ("number", "integer"):
            raise ValueError(f"{name!r} is {types[name].type}: encode it or drop it")
    features = (*left, *encoded)
    if len(features) > FEATURES_MAX or len(set(features)) != len(features):
        raise ValueError(f"features have distinct names and are at most {FEATURES_MAX}")
    return features


def parse_declaration(data: Mapping[str, Any]) -> DatasetDeclaration:
    """Read a declaration. Raises Invalid ``dataset.invalid``, with the field."""
    try:
        return DatasetDeclaration.model_validate(dict(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise Invalid("dataset.invalid", first["msg"], field) from error
