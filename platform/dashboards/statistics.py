"""Released statistics on pages: a chart of each column that has bins or levels. Pure but for the words' language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from dashboards.charts import Chart, Series, bar_chart
from training.reading.statistics import ColumnRow


@dataclass(frozen=True)
class DrawnColumn:
    """A column that has bins or levels, with its chart."""

    row: ColumnRow
    chart: Chart


def drawn_columns(columns: Sequence[ColumnRow]) -> list[DrawnColumn]:
    """A chart a column, of its bins or levels over all silos; a withheld one has no bar, and the caption says so."""
    return [DrawnColumn(row, _chart(place, row)) for place, row in enumerate(columns) if row.bins]


def _chart(place: int, row: ColumnRow) -> Chart:
    column = row.column
    title = f"{column.name} ({column.unit})" if column.unit else column.name
    withheld = sum(one.cell.count is None for one in row.bins)
    caption = _("Rows of all silos with a value in each part of %(column)s") % {"column": column.name}
    if withheld:
        caption += "; " + _("%(count)s withheld, as a silo has too few rows there") % {"count": withheld}
    return bar_chart(
        key=f"statistics-{place}",
        title="",  # the card has it
        caption=caption,
        x=[one.label for one in row.bins],
        x_title=title,
        y_title=_("rows"),
        series=[Series(_("rows"), [one.cell.count for one in row.bins], role="only")],
        digits=0,
        by_category=True,
    )
