"""Released statistics on pages: a chart of each column that has bins or levels. Pure but for the words' language."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from dashboards.charts import Chart, Series, bar_chart
from training.reading.statistics import ColumnRow


def charts_of(columns: Sequence[ColumnRow]) -> list[Chart]:
    """A chart a column, of its bins or levels over all silos; a withheld one has no bar, and the caption says so."""
    return [_chart(place, row) for place, row in enumerate(columns) if row.bins]


def _chart(place: int, row: ColumnRow) -> Chart:
    column = row.column
    title = f"{column.name} ({column.unit})" if column.unit else column.name
    withheld = sum(one.cell.count is None for one in row.bins)
    caption = _("Rows of all silos with a value in each part of %(column)s") % {"column": column.name}
    if withheld:
        caption += "; " + _("%(count)s withheld, as a silo has too few rows there") % {"count": withheld}
    return bar_chart(
        key=f"statistics-{place}",
        title=title,
        caption=caption,
        x=[one.label for one in row.bins],
        x_title=title,
        y_title=_("rows"),
        series=[Series(_("rows"), [one.cell.count for one in row.bins])],
        digits=0,
    )
