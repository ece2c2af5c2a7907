"""The payload ``statistics.v1``: what a silo reports about columns of its dataset, one canonical JSON.

Each column is a table of all rows: those that miss a value, and those in each cell. A cell is None where it is
withheld. The number of all rows stands once, so anyone who has all cells but one of a column knows that one too:
withheld together is for ``disclosure`` to decide.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from federation.errors import Invalid
from federation.protocol.chains import canonical
from federation.protocol.dataset_columns import EDGES_MAX, ColumnName, ColumnType, Labels, check_edges
from federation.protocol.documents.base import Finite, Norm, Part, Rows
from federation.protocol.documents.statistics import COLUMNS_MAX
from federation.protocol.payloads.statistics_v1 import SIZE_BYTES_MAX
from federation.statistics.columns import ColumnShape
from federation.validation import path_of, plain
from federation.validation.encodings import strict_json

KIND: Final = "statistics.v1"
BYTES_MAX = SIZE_BYTES_MAX
"""No report is larger: as many columns as a job may name, each with as many cells as a column may have, are not."""
CELLS_MAX = 1000

Cell = Rows | None
"""A count of rows; None where it is withheld."""


REPORT = "report"
"""What orders call the file with a silo's figures; it is of the kind ``statistics.v1``."""


class ColumnReport(Part):
    """A column at one silo. Without levels and edges it has one cell: all rows that have a value."""

    name: ColumnName
    type: ColumnType
    levels: Labels | None = None
    unit: Annotated[str, Field(max_length=50)] | None = None
    edges: Annotated[tuple[Finite, ...], Field(min_length=2, max_length=EDGES_MAX)] | None = None
    missing: Cell
    cells: Annotated[tuple[Cell, ...], Field(min_length=1, max_length=CELLS_MAX)]
    """One a level; or below the first edge, between each two, above the last; or one."""
    mean: Finite | None = None
    variance: Norm | None = None
    """Of a sample: the sum of squares about the mean, by the number of values less one."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.edges is not None:
            check_edges(self.edges)
        if len(self.cells) != self.shape.cells:
            raise ValueError("the number of cells is not that of the levels or edges")
        if (self.mean is None) != (self.variance is None):
            raise ValueError("mean and variance are released together")
        if self.mean is not None and not self.shape.has_moments:
            raise ValueError("a column of categories, texts or dates has no mean")
        return self

    @property
    def shape(self) -> ColumnShape:
        """How it is cut."""
        return ColumnShape(self.name, self.type, self.levels, self.unit, self.edges)

    @property
    def is_whole(self) -> bool:
        """Whether nothing of its table is withheld."""
        return self.missing is not None and None not in self.cells


class StatisticsReport(Part):
    """What one silo reports in one job."""

    kind: Literal["statistics.v1"] = KIND
    minimum_cell: Annotated[int, Field(ge=1, le=1000)]
    rows: Rows
    """All rows of the dataset's file, also those that training leaves out."""
    columns: Annotated[tuple[ColumnReport, ...], Field(min_length=1, max_length=COLUMNS_MAX)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len({column.name for column in self.columns}) != len(self.columns):
            raise ValueError("a column is there twice")
        for column in self.columns:
            listed = [cell for cell in (column.missing, *column.cells) if cell is not None]
            if sum(listed) > self.rows or (column.is_whole and sum(listed) != self.rows):
                raise ValueError(f"the cells of {column.name} are not those of all rows")
        return self


def encode_report(report: StatisticsReport) -> bytes:
    """The one way in which a report is written."""
    return canonical(report.model_dump(mode="json", exclude_none=False))


def read_report(payload: bytes) -> StatisticsReport:
    """Read a report. Raises Invalid ``statistics.malformed`` for what is none, or is written in another way."""
    if len(payload) > BYTES_MAX:
        raise Invalid("statistics.malformed", f"A report has at most {BYTES_MAX} bytes.")
    try:
        strict_json(payload)
        report = StatisticsReport.model_validate_json(payload)
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_input=False)[0]
        raise Invalid("statistics.malformed", plain(first), path_of(first) or None) from error
    except Invalid as error:
        raise Invalid("statistics.malformed", error.message) from error
    if encode_report(report) != payload:
        raise Invalid("statistics.malformed", "The report is not written as reports are.")
    return report


def as_object(report: StatisticsReport) -> dict[str, Any]:
    """The report as JSON has it."""
    body: dict[str, Any] = json.loads(encode_report(report))
    return body
