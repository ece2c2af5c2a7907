"""What a silo declares about its data: columns, steps, split. Never a value of the data, never a path.

The vocabulary is closed (``dataset_steps.py``): a declaration is read by the platform and by other members before
anything runs, and carried out by the silo's trainer alone. Steps run in their order; one-hot features go to the end,
all else keeps the order of the columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from federation.protocol.dataset_columns import COLUMNS_MAX, Column, Part
from federation.protocol.dataset_faults import faults_of
from federation.protocol.dataset_schema import meaning_digest, schema_digest
from federation.protocol.dataset_steps import Split, Step, Target
from federation.protocol.dataset_trace import Trace, trace
from federation.targets import Target as TargetKind
from federation.targets import target_of

STEPS_MAX = 1000


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
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=STEPS_MAX)]
    split: Split

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.columns_by_name) != len(self.columns):
            raise ValueError("columns have distinct names")
        if self.decimal == self.delimiter and self.format == "csv":
            raise ValueError("the delimiter can't be the decimal mark too")
        self.trace  # noqa: B018 - raises what is wrong with the steps
        return self

    @property
    def target(self) -> Target:
        """The step that makes the target (there is exactly one)."""
        return next(step for step in self.steps if isinstance(step, Target))

    @property
    def n_classes(self) -> int | None:
        """Number of classes of the target; None where it has none."""
        return self.target.n_classes

    @property
    def target_kind(self) -> TargetKind:
        """What the target holds, with the loss and the metrics that belong to it."""
        return target_of(self.target.kind, self.n_classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What people call the classes, in the order of their numbers; none where the target has no classes."""
        return self.target.class_names

    def features(self) -> tuple[str, ...]:
        """Names of the features, in the order in which a model gets them."""
        return tuple(feature.name for feature in self.trace.features)

    @cached_property
    def trace(self) -> Trace:
        """What the columns become."""
        return trace(self.columns, self.steps, self.split)

    @cached_property
    def columns_by_name(self) -> Mapping[str, Column]:
        """The declared columns, by name."""
        return {column.name: column for column in self.columns}

    @property
    def columns_used(self) -> tuple[Column, ...]:
        """The columns that are read: all but the dropped."""
        used = {traced.raw for traced in self.trace.columns}
        return tuple(column for column in self.columns if column.name in used)

    @property
    def schema_digest(self) -> str:
        """Digest of what must be equal for silos to train together: features in order, what they mean, classes, split.

        Name, title, file format, bounds, dropped columns and the silo's own names and values may differ.
        """
        return schema_digest(self.trace, self.steps, self.split, self.target)

    @property
    def meaning_digest(self) -> str:
        """Equal where schemas are but for an order that means nothing; for comparing, not for documents."""
        return meaning_digest(self.trace, self.split, self.target)


def parse_declaration(data: Mapping[str, Any]) -> DatasetDeclaration:
    """Read a declaration. Raises Invalid ``dataset.invalid`` with all that is wrong, by field."""
    try:
        return DatasetDeclaration.model_validate(dict(data))
    except ValidationError as error:
        raise faults_of(error, data) from error
