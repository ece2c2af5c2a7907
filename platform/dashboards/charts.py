"""Charts: a Plotly figure as plain data, and the same figures as a table. Pure; how they look is in `plot.js`.

Plotly reads a little HTML, entities, %{…} and TeX in every text. A `Chart` escapes all texts of its figure, wherever
they stand in it, so that a name is shown as it is; only a `Markup`, made here, is taken as it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.formats import localize
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe

POINTS_MAX = 400
"""More points than that nobody can distinguish on a screen."""

LARGE = 1e9
"""From here on a table writes a power of ten."""

SHARES = (0.0, 1.0)
"""Between these lie shares, such as an accuracy."""

Figure = dict[str, Any]
Cell = str | int | float | None


@dataclass(frozen=True)
class Chart:
    """A figure, what it shows in a sentence, and its table twin."""

    key: str
    title: str
    caption: str
    figure: Figure
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    url: str = ""

    @property
    def element_id(self) -> str:
        """The id of the figure's JSON in the page."""
        return f"figure-{self.key}"

    @property
    def body(self) -> SafeString:
        """The rows as they stand in the table: there may be thousands of cells, each in the words of the language."""
        return mark_safe("\n".join(map(_row, self.rows)))  # noqa: S308 - `_row` escapes each cell

    @property
    def rows_as_read(self) -> tuple[tuple[str | None, ...], ...]:
        """The table's cells as the reader's language writes numbers, for a page that draws them itself."""
        return tuple(tuple(None if cell is None else str(localize(cell)) for cell in row) for row in self.rows)

    def __post_init__(self) -> None:
        object.__setattr__(self, "figure", _plain(self.figure))

    def __bool__(self) -> bool:
        return bool(self.rows)


class Markup(str):
    """A text for Plotly with tags and fields of ours; whatever else is in it was `escaped`."""

    __slots__ = ()


def escaped(text: str) -> str:
    """A text that Plotly shows as it is: no tag, no entity, no %{field}, no $TeX$. It decodes it to what was given."""
    return text.translate(_ESCAPES)


_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "%": "&#37;", "$": "&#36;"})


def _plain(value: Any) -> Any:
    """A figure, or a part of one, with every text escaped. Keys are ours."""
    match value:
        case Markup():
            return str(value)
        case str():
            return escaped(value)
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _:
            return value


def _on_hover(series: str, value: str, digits: int, along_title: str, along: str, form: str = "f") -> Markup:
    """What is reported of a point: the series, the value on one axis, and where on the other."""
    return Markup(
        f"{escaped(series)}: %{{{value}:.{digits}{form}}}<br>{escaped(along_title)} %{{{along}}}<extra></extra>"
    )


def _row(cells: tuple[Cell, ...]) -> str:
    first, *others = (conditional_escape("–" if cell is None else localize(cell)) for cell in cells)
    message = "".join(f'<td class="number">{other}</td>' for other in others)
    return f'<tr><th scope="row">{first}</th>{message}</tr>'


@dataclass(frozen=True)
class Series:
    """One line of a chart. `palette` is the number of a silo's colour; None for what is drawn over all silos.

    `role` is what `plot.js` colours the latter by: "combined" beside single silos, "only" where nothing is beside it.
    """

    name: str
    values: Sequence[float | None]
    palette: int | None = None
    role: str = "combined"

    @property
    def meta(self) -> dict[str, Any]:
        """What `plot.js` chooses colour, width and dash by."""
        return {"role": self.role} if self.palette is None else {"series": self.palette}


def line_chart(
    *,
    key: str,
    title: str,
    caption: str,
    x: Sequence[int],
    x_title: str,
    y_title: str,
    series: Sequence[Series],
    digits: int = 3,
    is_significant: bool = False,
    y_limits: tuple[float, float] | None = None,
    marked_x: int | None = None,
    marked_label: str = "",
) -> Chart:
    """Lines over rounds. Where there are more than `POINTS_MAX` rounds, evenly many are left out of the drawing.

    `y_limits` are those beyond which there can be nothing: the axis never goes further. `digits` are decimals, or
    significant ones: then values may be of any size.
    """
    kept = thinned(len(x))
    mode = "lines+markers" if len(kept) <= 40 else "lines"
    data = [
        {
            "type": "scatter",
            "mode": mode,
            "name": one.name,
            "x": [x[place] for place in kept],
            "y": [rounded(one.values[place], digits + 2, is_significant) for place in kept],
            "meta": one.meta,
            "connectgaps": False,
            "hovertemplate": _on_hover(one.name, "y", digits, x_title, "x", "g" if is_significant else "f"),
        }
        for one in series
    ]
    layout: Figure = {"xaxis": {"title": x_title}, "yaxis": {"title": y_title}}
    if x:
        layout["xaxis"]["range"] = [x[0] - 0.5, x[-1] + 0.5]
        if x[-1] - x[0] <= 30:
            layout["xaxis"]["dtick"] = 1 if x[-1] - x[0] <= 15 else 2
    if y_limits is not None:
        layout["yaxis"]["autorangeoptions"] = {"clipmin": y_limits[0], "clipmax": y_limits[1]}
    if marked_x is not None and marked_x in x:
        layout["shapes"] = [
            {
                "type": "line",
                "x0": marked_x,
                "x1": marked_x,
                "y0": 0,
                "y1": 1,
                "yref": "paper",
                "line": {"dash": "dot", "width": 1},
            }
        ]
        layout["annotations"] = [
            {
                "x": marked_x,
                "y": 1,
                "yref": "paper",
                "text": marked_label,
                "showarrow": False,
                "xanchor": "left",
                "yanchor": "top",
                "xshift": 4,
            }
        ]
    rows = tuple(
        (x[place], *(_cell(rounded(one.values[place], digits, is_significant)) for one in series))
        for place in range(len(x))
    )
    return Chart(key, title, caption, {"data": data, "layout": layout}, (x_title, *(one.name for one in series)), rows)


def bar_chart(
    *,
    key: str,
    title: str,
    caption: str,
    x: Sequence[Cell],
    x_title: str,
    y_title: str,
    series: Sequence[Series],
    digits: int = 2,
    stacked: bool = True,
    lying: bool = False,
    by_category: bool = False,
) -> Chart:
    """Bars, stacked by default; lying where they stand for names, which are longer than numbers.

    By category, each value of `x` has a place of its own in the order given, also where it looks like a number.
    """
    kept = thinned(len(x))
    along, up = ("y", "x") if lying else ("x", "y")
    data = [
        {
            "type": "bar",
            "name": one.name,
            along: [x[place] for place in kept],
            up: [rounded(one.values[place], digits + 2) for place in kept],
            "orientation": "h" if lying else "v",
            "meta": one.meta,
            "hovertemplate": _on_hover(one.name, up, digits, x_title, along),
        }
        for one in series
    ]
    layout: Figure = {
        f"{along}axis": {"title": "" if lying else x_title},
        f"{up}axis": {"title": y_title, "rangemode": "tozero"},
        "barmode": "stack" if stacked else "group",
    }
    if lying:
        layout["yaxis"] |= {"autorange": "reversed", "type": "category"}  # a silo may be called 1e9, or 2027-01-01
    elif by_category:
        layout["xaxis"]["type"] = "category"
    if [one.role for one in series] == ["only"]:
        layout["showlegend"] = False  # the axis says already what it is
    rows = tuple((x[place], *(rounded(one.values[place], digits) for one in series)) for place in range(len(x)))
    return Chart(key, title, caption, {"data": data, "layout": layout}, (x_title, *(one.name for one in series)), rows)


def thinned(count: int, limit: int = POINTS_MAX) -> list[int]:
    """The places of at most `limit` points out of `count`, evenly spread, the first and the last among them."""
    if count <= limit:
        return list(range(count))
    return [round(place * (count - 1) / (limit - 1)) for place in range(limit)]


def _cell(value: float | None) -> Cell:
    """A figure in the table; a very large one with a power of ten, for a silo may disclose 1e30."""
    return value if value is None or abs(value) < LARGE else f"{value:.2e}"


def rounded(value: float | None, digits: int, is_significant: bool = False) -> float | None:
    """A figure with no more digits than a reader needs: decimals, or significant ones."""
    if value is None:
        return None
    return float(f"{value:.{digits}g}") if is_significant else round(value, digits)
