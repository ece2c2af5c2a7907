"""Which columns can be asked for, and how they are cut: as declared, by their common names."""

from __future__ import annotations

from typing import Any

import pytest

from federation.errors import Invalid
from federation.protocol.datasets import DatasetDeclaration, parse_declaration
from federation.statistics.columns import columns_of, disagreements

EDGES = [0, 10.5, 20]


def declared(steps: list[dict[str, Any]] | None = None, **of_age: Any) -> DatasetDeclaration:
    return parse_declaration(
        {
            "name": "d",
            "title": "D",
            "columns": [
                {"name": "alter", "type": "number", "unit": "years", **of_age},
                {"name": "sex", "type": "category", "levels": ["m", "f"]},
                {"name": "secret", "type": "number"},
                {"name": "y", "type": "integer"},
            ],
            "steps": [
                {"step": "drop_columns", "columns": ["secret"]},
                *(steps or []),
                {"step": "target", "column": "y", "positive": ">0"},
                {"step": "one_hot", "columns": ["sex"]},
            ],
            "split": {"method": "stratified_shuffle", "train_fraction": 0.5, "seed": 1},
        }
    )


def test_columns_have_common_names_and_the_own_edges() -> None:
    steps = [{"step": "rename", "renames": [{"column": "alter", "to": "age"}]}]
    found = columns_of(declared(steps, histogram_edges=EDGES))
    assert list(found) == ["age", "sex", "y"]
    assert (found["age"].edges, found["age"].unit, found["age"].cells) == ((0.0, 10.5, 20.0), "years", 4)
    assert (found["sex"].levels, found["sex"].cells, found["sex"].has_moments) == (("m", "f"), 2, False)
    assert (found["y"].edges, found["y"].cells) == (None, 1)


def test_a_column_that_is_mapped_after_it_was_changed_can_not_be_asked_for() -> None:
    clip = {"step": "clip", "columns": ["alter"], "minimum": 0, "maximum": 90}
    mapped = {"step": "map_values", "columns": ["alter"], "values": [{"value": 0, "to": None}]}
    assert "alter" in columns_of(declared([mapped, clip]))
    assert "alter" not in columns_of(declared([clip, mapped]))


@pytest.mark.parametrize(
    "edges", [[1], [], [2, 1], [1, 1], [1, float("nan")], [1, float("inf")], list(range(102)), ["a", "b"]]
)
def test_edges_rise_and_are_2_to_101_numbers(edges: list[Any]) -> None:
    with pytest.raises(Invalid) as refused:
        declared(histogram_edges=edges)
    assert refused.value.code == "dataset.invalid"
    assert len(columns_of(declared(histogram_edges=list(range(101))))["alter"].edges or ()) == 101


def test_histogram_edges_of_a_category_are_refused() -> None:
    plain = declared().model_dump(mode="json")
    plain["columns"][1]["histogram_edges"] = EDGES
    with pytest.raises(Invalid):
        parse_declaration(plain)


def test_declarations_without_edges_are_the_same_bytes_and_edges_are_no_part_of_the_schema() -> None:
    assert "histogram_edges" not in declared().model_dump_json()
    assert declared().schema_digest == declared(histogram_edges=EDGES).schema_digest


def test_a_column_that_silos_cut_differently_is_named_with_them() -> None:
    one, same, other = (columns_of(declared(histogram_edges=edges)) for edges in (EDGES, EDGES, [0, 11, 20]))
    (found,) = disagreements(["alter", "y"], [("north", one), ("south", same), ("west", other)])
    assert (found.column, found.silos) == ("alter", ("north", "west"))
    assert disagreements(["alter"], [("north", one), ("south", same)]) == []
