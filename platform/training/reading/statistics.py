"""Released statistics as they are read: of a job, and the latest that a dataset took part in; as rows, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from federation.statistics.pooling import PooledCell, PooledColumn
from silos.models import Dataset
from training.models import Job, ReleasedStatistics
from training.reading.selectors import jobs_visible_to

BELOW, ABOVE, MISSING, PRESENT = "below", "above", "missing", "present"
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class CellRow:
    """A cell with what it holds: a level, a bin from one edge to another, or what misses a value."""

    kind: str
    label: str
    lower: float | None
    upper: float | None
    cell: PooledCell


@dataclass(frozen=True)
class ColumnRow:
    """A column of what was released."""

    column: PooledColumn

    @property
    def cells(self) -> tuple[CellRow, ...]:
        """Its cells in their order, the missing first."""
        return tuple(self._cells())

    @property
    def bins(self) -> tuple[CellRow, ...]:
        """Those that a chart draws: bins and levels."""
        return tuple(row for row in self.cells if row.kind in ("bin", "level"))

    def _cells(self) -> Iterator[CellRow]:
        column = self.column
        yield CellRow(MISSING, "", None, None, column.missing)
        if column.levels is not None:
            for level, cell in zip(column.levels, column.cells, strict=True):
                yield CellRow("level", str(level), None, None, cell)
        elif column.edges is not None:
            bounds = (None, *column.edges, None)
            for place, cell in enumerate(column.cells):
                lower, upper = bounds[place], bounds[place + 1]
                kind = BELOW if lower is None else ABOVE if upper is None else "bin"
                yield CellRow(kind, _span(lower, upper), lower, upper, cell)
        else:
            yield CellRow(PRESENT, "", None, None, column.cells[0])


def released_by(job: Job) -> ReleasedStatistics | None:
    """What the job has released, if it has."""
    return ReleasedStatistics.objects.filter(job=job).first()


def latest_of(dataset: Dataset, user: User) -> ReleasedStatistics | None:
    """The newest released statistics into which a dataset's report went, of the jobs that somebody sees."""
    took_part = jobs_visible_to(user).filter(
        cohort_members__dataset=dataset,
        orders__silo=dataset.silo_id,
        orders__statistics_report__isnull=False,
        released_statistics__isnull=False,
    )
    return ReleasedStatistics.objects.filter(job__in=took_part.values("pk")).select_related("job").first()


def column_rows(released: ReleasedStatistics) -> tuple[ColumnRow, ...]:
    """Its columns."""
    return tuple(map(ColumnRow, released.pooled.columns))


def csv_of(released: ReleasedStatistics) -> str:
    """A line for each figure: column, what it is, of which part, the number, and whether it is withheld."""
    file = io.StringIO()
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(("column", "figure", "lower", "upper", "level", "value", "withheld", "at_least", "silos"))
    silos = released.pooled.silos
    for row in column_rows(released):
        column, name = row.column, _safe(row.column.name)
        lines.writerow((name, "count", "", "", "", _figure(column.count), column.count is None, "", silos))
        for cell in row.cells:
            level = _safe(cell.label) if cell.kind == "level" else ""
            reported = (_figure(cell.cell.count), cell.cell.count is None, cell.cell.at_least, silos)
            lines.writerow((name, cell.kind, _figure(cell.lower), _figure(cell.upper), level, *reported))
        for figure, value in (("mean", column.mean), ("variance", column.variance)):
            lines.writerow((name, figure, "", "", "", _figure(value), value is None, "", column.moments_silos))
        for one in column.quantiles:
            figures = (_figure(one.lower), _figure(one.upper), "", _figure(one.estimate), False, "", silos)
            lines.writerow((name, f"quantile {one.part:g}", *figures))
    return file.getvalue()


def _span(lower: float | None, upper: float | None) -> str:
    if lower is None:
        return f"< {upper:g}"
    return f"> {lower:g}" if upper is None else f"{lower:g} – {upper:g}"


def _figure(value: float | None) -> object:
    return "" if value is None else value


def _safe(text: str) -> str:
    """What people have written: a spreadsheet must not take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


class PooledCellOut(serializers.Serializer[Any]):
    """Rows of all silos in a cell."""

    kind = serializers.ChoiceField(choices=[MISSING, PRESENT, "level", BELOW, "bin", ABOVE])
    label = serializers.CharField(  # type: ignore[assignment]  # the word of charts, and no label of a form
        help_text="The level; or the bin in words."
    )
    lower = serializers.FloatField(allow_null=True, help_text="A bin holds its lower edge, the last one both.")
    upper = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField(
        source="cell.count", allow_null=True, help_text="Null where a silo withholds its own."
    )
    at_least = serializers.IntegerField(source="cell.at_least", help_text="What the silos that tell theirs have.")


class QuantileOut(serializers.Serializer[Any]):
    """Where a quantile lies, by the pooled histogram."""

    probability = serializers.FloatField(source="part", help_text="0.5 is the median.")
    lower = serializers.FloatField(allow_null=True, help_text="It lies between these two; null beyond all edges.")
    upper = serializers.FloatField(allow_null=True)
    estimate = serializers.FloatField(
        allow_null=True, help_text="As though values were spread evenly between the two edges."
    )


class StatisticsColumnOut(serializers.Serializer[Any]):
    """A column over all silos."""

    name = serializers.CharField(source="column.name")
    type = serializers.CharField(source="column.type")
    unit = serializers.CharField(source="column.unit", allow_null=True)
    count = serializers.IntegerField(source="column.count", allow_null=True, help_text="Null where it is withheld.")
    mean = serializers.FloatField(source="column.mean", allow_null=True, help_text="Null where no silo tells its own.")
    variance = serializers.FloatField(source="column.variance", allow_null=True)
    moments_silos = serializers.IntegerField(source="column.moments_silos", help_text="Whose mean and variance count.")
    moments_rows = serializers.IntegerField(source="column.moments_rows")
    cells = PooledCellOut(many=True)
    quantiles = QuantileOut(source="column.quantiles", many=True)


class StatisticsOut(serializers.Serializer[ReleasedStatistics]):
    """What a job of statistics has released."""

    job_id = serializers.UUIDField()
    released_at = serializers.DateTimeField()
    digest = serializers.CharField(help_text="Of the figures as the job's evidence has them.")
    silos = serializers.IntegerField(source="pooled.silos", help_text="How many silos' reports went in.")
    rows = serializers.IntegerField(source="pooled.rows")
    minimum_cell = serializers.IntegerField(source="pooled.minimum_cell")
    columns = serializers.SerializerMethodField()

    @extend_schema_field(StatisticsColumnOut(many=True))
    def get_columns(self, released: ReleasedStatistics) -> list[dict[str, Any]]:
        """In the order of the request."""
        return [dict(StatisticsColumnOut(row).data) for row in column_rows(released)]
