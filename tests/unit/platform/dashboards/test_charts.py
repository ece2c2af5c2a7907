"""Charts as data: lines, bars, thinning, the table twin."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from dashboards.charts import SHARES, Chart, Markup, Series, bar_chart, escaped, line_chart, thinned
from demo.services import ROOT
from tests.support.every import every


def test_the_table_shows_the_same_as_the_drawing() -> None:
    chart = line_chart(
        key="loss",
        title="Loss",
        caption="Loss by round",
        x=[1, 2, 3],
        x_title="Round",
        y_title="Loss",
        series=[Series("All silos", [0.5, None, 0.25]), Series("Bern", [0.41234567, 0.3, 0.2], 2)],
    )
    assert chart.headings == ("Round", "All silos", "Bern")
    assert chart.rows == ((1, 0.5, 0.412), (2, None, 0.3), (3, 0.25, 0.2))
    drawn = chart.figure["data"]
    assert [trace["meta"] for trace in drawn] == [{"role": "combined"}, {"series": 2}]
    assert drawn[1]["y"] == [0.41235, 0.3, 0.2]
    json.dumps(chart.figure)


def test_a_long_series_is_thinned_in_the_drawing_and_whole_in_the_table() -> None:
    x = list(range(1, 5001))
    chart = line_chart(
        key="k", title="T", caption="C", x=x, x_title="Round", y_title="L", series=[Series("A", [1.0] * 5000)]
    )
    drawn = chart.figure["data"][0]
    assert len(drawn["x"]) == 400
    assert (drawn["x"][0], drawn["x"][-1]) == (1, 5000)
    assert drawn["mode"] == "lines"
    assert len(chart.rows) == 5000


@pytest.mark.parametrize(("count", "limit"), [(0, 10), (1, 10), (10, 10), (11, 10), (999, 10), (10**5, 400)])
def test_thinning_keeps_the_ends_and_the_order(count: int, limit: int) -> None:
    places = thinned(count, limit)
    assert len(places) == min(count, limit)
    assert places == sorted(set(places))
    if count:
        assert (places[0], places[-1]) == (0, count - 1)


def test_the_best_round_is_marked_only_if_it_is_drawn() -> None:
    def shapes(marked: int) -> int:
        chart = line_chart(
            key="k",
            title="T",
            caption="C",
            x=[1, 2],
            x_title="R",
            y_title="L",
            series=[Series("A", [1, 2])],
            marked_x=marked,
            marked_label="best",
        )
        return len(chart.figure["layout"].get("shapes", []))

    assert (shapes(2), shapes(7)) == (1, 0)


def test_no_axis_goes_further_than_there_can_be_anything() -> None:
    axes = [
        line_chart(
            key="k",
            title="T",
            caption="C",
            x=[0],
            x_title="R",
            y_title="Accuracy",
            series=[Series("A", [0.5])],
            y_limits=limits,
        ).figure["layout"]["yaxis"]
        for limits in (SHARES, None)
    ]
    assert axes[0]["autorangeoptions"] == {"clipmin": 0.0, "clipmax": 1.0}
    assert "autorangeoptions" not in axes[1]


def test_nothing_to_draw_is_falsy() -> None:
    chart = line_chart(key="k", title="T", caption="C", x=[], x_title="R", y_title="L", series=[Series("A", [])])
    assert not chart


def test_lying_bars_have_names_on_the_other_axis() -> None:
    chart = bar_chart(
        key="k",
        title="T",
        caption="C",
        x=["Bern", "Basel"],
        x_title="Silo",
        y_title="Seconds",
        series=[Series("train", [1.0, 2.0], 0)],
        lying=True,
    )
    trace = chart.figure["data"][0]
    assert (trace["orientation"], trace["y"], trace["x"]) == ("h", ["Bern", "Basel"], [1.0, 2.0])
    assert chart.rows == (("Bern", 1.0), ("Basel", 2.0))


EVIL = """<a href="https://evil.example">%{y}</a> & <span style='font-size:90px'>$x^2$</span> &lt;b&gt;"""
SHOWN_AS_IT_IS = (
    """&lt;a href="https://evil.example"&gt;&#37;{y}&lt;/a&gt; &amp; &lt;span style='font-size:90px'&gt;"""
    """&#36;x^2&#36;&lt;/span&gt; &amp;lt;b&amp;gt;"""
)


def texts_in(value: object) -> Iterator[tuple[str, str]]:
    """Every text of a figure with the key under which it stands."""
    waiting: list[tuple[str, object]] = [("", value)]
    while waiting:
        key, one = waiting.pop()
        if isinstance(one, str):
            yield key, one
        elif isinstance(one, dict):
            waiting.extend(one.items())
        elif isinstance(one, list):
            waiting.extend((key, inner) for inner in one)


def evil_charts() -> list[Chart]:
    words: dict[str, Any] = {"key": "k", "title": EVIL, "caption": EVIL, "x_title": EVIL, "y_title": EVIL}
    series = [Series(EVIL, [1.0])]
    return [
        line_chart(**words, x=[1], series=series, marked_x=1, marked_label=EVIL),
        bar_chart(**words, x=[EVIL], series=series, lying=True),
        bar_chart(**words, x=[EVIL], series=series),
    ]


@pytest.mark.parametrize("chart", evil_charts())
def test_no_text_of_a_figure_is_markup(chart: Chart) -> None:
    rows = list(texts_in(chart.figure))
    assert sum(text == SHOWN_AS_IT_IS for _, text in rows) >= 3
    for key, text in every(rows):
        bare = re.sub(r"%\{[xy](:\.\df)?\}|<br>|<extra></extra>", "", text) if key == "hovertemplate" else text
        assert not re.search(r"[<>$%]|&(?!(amp|lt|gt|#3[67]);)", bare), (key, text)
    assert chart.headings == (EVIL, EVIL), "the table's cells are escaped where they are written"


def test_what_plotly_decodes_is_what_was_given() -> None:
    assert html.unescape(escaped(EVIL)) == EVIL


def test_every_text_of_a_chart_is_escaped_wherever_it_stands() -> None:
    figure = {"data": [{"text": ["<b>"], "new": {"deep": [("$a$", 1, None)]}, "hovertemplate": Markup("<b>%{x}</b>")}]}
    chart = Chart("k", "T", "C", figure, ("a",), ((1,),))
    assert chart.figure["data"][0] == {
        "text": ["&lt;b&gt;"],
        "new": {"deep": [["&#36;a&#36;", 1, None]]},
        "hovertemplate": "<b>%{x}</b>",
    }


def test_figures_are_made_in_one_place() -> None:
    """No page hands Plotly anything but the figure of a `Chart`, and only `charts.py` makes one, or a Markup."""
    for path in every((ROOT / "platform").rglob("*.py")):
        if path.name != "charts.py":
            assert not re.search(r"\bMarkup\(|\bChart\(|hovertemplate|[\"']annotations[\"']", path.read_text()), path
    drawn = [path for path in (ROOT / "static" / "js").rglob("*.js") if "Plotly." in path.read_text()]
    assert [path.name for path in drawn] == ["plot.js"]
    sources = [
        line.strip()
        for path in (ROOT / "templates").rglob("*.html")
        for line in path.read_text().splitlines()
        if "json_script" in line and "figure" in line
    ]
    assert sources == ["{{ chart.figure|json_script:chart.element_id }}"]


def test_names_that_look_like_numbers_or_days_are_names() -> None:
    chart = bar_chart(
        key="k", title="T", caption="C", x=["1e9"], x_title="S", y_title="s", series=[Series("A", [1.0])], lying=True
    )
    assert chart.figure["layout"]["yaxis"]["type"] == "category"
