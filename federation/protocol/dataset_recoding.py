"""Steps of protocol 1.1 that bring what silos keep differently to the same columns, without looking at other rows.

Every constant in them is declared: nothing is fitted to one silo's data, so that a feature is the same everywhere.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from federation.protocol.dataset_columns import ColumnName, ColumnNames, Label, Labels, Part
from federation.validation.bounds import Finite

_RENAMES_MAX = 10_000
_VALUES_MAX = 1000


class NewName(Part):
    """One column's name in the file, and the name that all silos have for it."""

    column: ColumnName
    to: ColumnName


class Rename(Part):
    """Give columns the names that the consortium has for them. Each keeps its place among the columns."""

    step: Literal["rename"]
    renames: Annotated[tuple[NewName, ...], Field(min_length=1, max_length=_RENAMES_MAX)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({one.column for one in self.renames}) != len(self.renames):
            raise ValueError("a column is renamed once")
        return self


class NewValue(Part):
    """A value as the file has it, and what all silos have for it; without `to` it stands for a missing value."""

    value: Label
    to: Label | None = None


class MapValues(Part):
    """Put the consortium's values in place of the file's own. Values that aren't named stay as they are.

    The levels are those of the column, mapped, in their order; `levels` says them in another order, or more of them.
    """

    step: Literal["map_values"]
    columns: ColumnNames
    values: Annotated[tuple[NewValue, ...], Field(min_length=1, max_length=_VALUES_MAX)]
    levels: Labels | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({str(one.value) for one in self.values}) != len(self.values):
            raise ValueError("a value is mapped once")
        kinds = {type(one.to) for one in self.values if one.to is not None}
        if len(kinds) > 1:
            raise ValueError("values become all whole numbers or all texts")
        levels = self.levels or ()
        if len(set(levels)) != len(levels) or len({type(level) for level in levels} | kinds) > 1:
            raise ValueError("levels are distinct, and all of the kind that values become")
        return self

    @property
    def becomes(self) -> type[int] | type[str] | None:
        """What the values are afterwards; None where nothing but missing values is named, so that they stay."""
        first = next((one.to for one in self.values if one.to is not None), None)
        return None if first is None else int if isinstance(first, int) else str


class Impute(Part):
    """Put a declared constant where a value is missing: the same at every silo."""

    step: Literal["impute"]
    columns: ColumnNames
    value: Label | Finite


class Clip(Part):
    """Bring numbers below the minimum up to it, and numbers above the maximum down to it."""

    step: Literal["clip"]
    columns: ColumnNames
    minimum: Finite | None = None
    maximum: Finite | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.minimum is None and self.maximum is None:
            raise ValueError("give a minimum, a maximum, or both")
        if self.minimum is not None and self.maximum is not None and self.minimum >= self.maximum:
            raise ValueError("the minimum is below the maximum")
        return self


class Log(Part):
    """The natural logarithm of value + offset, which has to be above 0."""

    step: Literal["log"]
    columns: ColumnNames
    offset: Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)] = 0.0
