"""The columns of a silo's file as a declaration names them."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, StrictInt, StrictStr, model_validator

from federation.protocol.carried import CarriesUnknown
from federation.validation.bounds import NUMBER_MAX, Finite

COLUMNS_MAX = 10_000
EDGES_MAX = 101

ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
ColumnNames = Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=COLUMNS_MAX)]
ColumnType = Literal["number", "integer", "category", "text", "date"]
DateFormat = Literal["yyyy-mm-dd", "dd.mm.yyyy", "dd/mm/yyyy", "mm/dd/yyyy", "yyyymmdd"]
Label = (
    Annotated[StrictInt, Field(ge=-NUMBER_MAX, le=NUMBER_MAX)]
    | Annotated[StrictStr, Field(min_length=1, max_length=200)]
)
Labels = Annotated[tuple[Label, ...], Field(min_length=2, max_length=1000)]


class Part(CarriesUnknown):
    """A piece of a declaration: immutable, closed to unknown fields."""

    model_config = ConfigDict(allow_inf_nan=False)


class Column(Part):
    """A column of the file. A value that is not of the type, among the levels or within the bounds is a data error."""

    name: ColumnName
    type: ColumnType
    levels: Labels | None = None
    unit: Annotated[str, Field(max_length=50)] | None = None
    minimum: Finite | None = None
    maximum: Finite | None = None
    date_format: Annotated[DateFormat | None, Field(exclude_if=lambda given: given is None)] = None
    """How a date is written (protocol 1.1)."""
    histogram_edges: Annotated[
        Annotated[tuple[Finite, ...], Field(min_length=2, max_length=EDGES_MAX)] | None,
        Field(exclude_if=lambda given: given is None),
    ] = None
    """Where statistics of the column cut its histogram. Nobody can ask for others (protocol 1.1)."""

    @property
    def is_numeric(self) -> bool:
        """Whether its values are numbers: by type, or because its levels are."""
        return self.type in ("number", "integer") or (self.levels is not None and isinstance(self.levels[0], int))

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.date_format is not None) != (self.type == "date"):
            raise ValueError("a date column, and no other, says its date_format")
        if self.levels is not None:
            if self.type in ("number", "text", "date"):
                raise ValueError(f"levels belong to integer and category columns, not to {self.type}")
            if len(set(self.levels)) != len(self.levels) or len({type(level) for level in self.levels}) != 1:
                raise ValueError("levels are distinct, and all whole numbers or all texts")
            if self.type == "integer" and not isinstance(self.levels[0], int):
                raise ValueError("levels of an integer column are whole numbers")
        if (self.minimum is not None or self.maximum is not None) and self.type not in ("number", "integer"):
            raise ValueError(f"bounds belong to numbers, not to {self.type}")
        if self.histogram_edges is not None:
            if self.type not in ("number", "integer") or self.levels is not None:
                raise ValueError("histogram_edges belong to numbers without levels")
            check_edges(self.histogram_edges)
        return self


def check_edges(edges: tuple[float, ...]) -> None:
    """Raise ValueError unless each edge of a histogram is above the one before it."""
    if any(left >= right for left, right in pairwise(edges)):
        raise ValueError("the edges of a histogram rise: each is above the one before it")
