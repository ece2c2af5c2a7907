"""What a silo declares about its data: columns, steps, split. Never a value of the data, never a path.

The vocabulary is closed (``dataset_steps.py``): a declaration is read by the platform and by other members before
anything runs, and carried out by the silo's trainer alone. Steps run in their order; one-hot features go to the end,
all else keeps the order of the columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from federation.protocol.dataset_steps import (
    COLUMNS_MAX,
    ByColumn,
    Column,
    DropColumns,
    Label,
    OneHot,
    Part,
    Split,
    Standardise,
    Step,
    Target,
)
from federation.protocol.digests import digest_bytes
from federation.validation import refusal

FEATURES_MAX = 100_000


class DatasetDeclaration(Part):
    """A data set as its silo describes it to the consortium."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=100)]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=4000)] = ""
    format: Literal["csv", "parquet"] = "csv"
    encoding: Literal["utf-8", "windows-1252", "latin-1"] = "utf-8"
    delimiter: Literal[",", ";", "|", "\t", " "] = ","
    decimal: Literal[".", ","] = "."
    header: bool = True
    missing: Annotated[tuple[Annotated[str, Field(max_length=50)], ...], Field(max_length=50)] = ()
    columns: Annotated[tuple[Column, ...], Field(min_length=1, max_length=COLUMNS_MAX)]
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=100)]
    split: Split

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.columns_by_name) != len(self.columns):
            raise ValueError("columns have distinct names")
        if self.decimal == self.delimiter and self.format == "csv":
            raise ValueError("the delimiter can't be the decimal mark too")
        if not self._features:
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
        return _Trace(self).run()

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

        Name, title, file format, bounds and dropped columns may differ.
        """
        meant = {"name", "type", "levels", "unit"}
        schema = {
            "version": 1,
            "columns": [column.model_dump(mode="json", include=meant) for column in self.columns_used],
            "steps": [step.model_dump(mode="json") for step in self.steps if not isinstance(step, DropColumns)],
            "split": self.split.model_dump(mode="json"),
            "features": self.features(),
            "classes": self.class_names,
        }
        return digest_bytes(json.dumps(schema, sort_keys=True, separators=(",", ":")).encode())


class _Trace:
    """Follows the columns through the steps, without data. Raises ValueError where a step can't be carried out."""

    def __init__(self, declaration: DatasetDeclaration) -> None:
        self.declaration = declaration
        self.columns = declaration.columns_by_name
        self.plain = set(self.columns)
        self.encoded: list[str] = []

    def run(self) -> tuple[str, ...]:
        """Names of the features."""
        split, steps = self.declaration.split, self.declaration.steps
        if isinstance(split, ByColumn):
            self.take((split.column,), "split")
            self.check_labels(split.column, (split.train_value,))
        if sum(isinstance(step, Target) for step in steps) != 1:
            raise ValueError("there is exactly one target step")
        for place, step in enumerate(steps):
            if place and isinstance(steps[place - 1], Standardise) and not isinstance(step, Standardise):
                raise ValueError("standardise comes last")
            self.follow(step)
        left = [column.name for column in self.declaration.columns if column.name in self.plain]
        for name in left:
            if self.columns[name].type not in ("number", "integer"):
                raise ValueError(f"{name!r} is {self.columns[name].type}: encode it or drop it")
        features = (*left, *self.encoded)
        if len(features) > FEATURES_MAX or len(set(features)) != len(features):
            raise ValueError(f"features have distinct names, and there are at most {FEATURES_MAX}")
        return features

    def follow(self, step: Step) -> None:
        """What a step does to the columns."""
        match step:
            case DropColumns():
                self.take(step.columns, step.step)
            case Target():
                self.take((step.column,), step.step)
                self.check_labels(step.column, step.classes or ())
                if step.positive is not None and not self.columns[step.column].is_numeric:
                    raise ValueError("positive needs a column of numbers")
            case OneHot():
                self.take(step.columns, step.step)
                for name in step.columns:
                    levels = self.columns[name].levels
                    if levels is None:
                        raise ValueError(f"one_hot needs the levels of {name!r}")
                    self.encoded += [f"{name}={level}" for level in levels[int(step.drop_first) :]]
            case Standardise(columns=columns) if columns is not None:
                if unknown := set(columns) - self.plain - set(self.encoded):
                    raise ValueError(f"standardise names {min(unknown)!r}, which is no feature")

    def take(self, names: tuple[str, ...], step: str) -> None:
        """These columns are no plain columns any more."""
        for name in names:
            if name not in self.plain:
                raise ValueError(f"{step} names {name!r}, which is no column at that point")
            self.plain.remove(name)

    def check_labels(self, name: str, labels: tuple[Label, ...]) -> None:
        """Labels have to be of the column's kind."""
        if self.columns[name].is_numeric and not all(isinstance(label, int) for label in labels):
            raise ValueError(f"{name!r} holds numbers, so its labels are whole numbers")


def parse_declaration(data: Mapping[str, Any]) -> DatasetDeclaration:
    """Read a declaration. Raises Invalid ``dataset.invalid``, with the field."""
    try:
        return DatasetDeclaration.model_validate(dict(data))
    except ValidationError as error:
        raise refusal(error, "dataset.invalid") from error
