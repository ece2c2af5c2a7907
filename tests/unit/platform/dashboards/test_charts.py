"""Charts as data: lines, bars, thinning, the table twin."""

from __future__ import annotations

import json

import pytest

from dashboards.charts import SHARES, Series, bar_chart, escaped, line_chart, thinned


def test_the_table_tells_the_same_as_the_drawing() -> None:
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


def test_a_name_can_neither_write_html_nor_read_other_figures() -> None:
    assert escaped("<b>%{x}") == "&lt;b&gt;% {x}"
    chart = line_chart(
        key="k", title="T", caption="C", x=[1], x_title="R", y_title="L", series=[Series("<i>%{y}", [1.0])]
    )
    assert chart.figure["data"][0]["hovertemplate"].startswith("&lt;i&gt;% {y}: ")
