"""What a job of the task ``statistics`` asks for: columns, by name. How they are cut each silo has declared itself."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from federation.protocol.dataset_columns import ColumnName
from federation.protocol.documents.base import Part

COLUMNS_MAX = 200


class StatisticsRequest(Part):
    """The columns of which statistics are asked, by their common names."""

    columns: Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=COLUMNS_MAX)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("a column is named twice")
        return self
