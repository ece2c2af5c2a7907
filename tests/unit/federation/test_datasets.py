"""Dataset declarations: the features follow from the declaration alone, and what can't be carried out is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from federation.errors import Invalid
from federation.protocol.dataset_steps import Target
from federation.protocol.datasets import DatasetDeclaration, parse_declaration

BASE: dict[str, Any] = {
    "name": "loans",
    "title": "Loans of one bank",
    "columns": [
        {"name": "id", "type": "text"},
        {"name": "amount", "type": "number", "unit": "EUR"},
        {"name": "kind", "type": "category", "levels": ["car", "house", "other"]},
        {"name": "months", "type": "integer", "minimum": 1},
        {"name": "half", "type": "integer", "levels": [0, 1]},
        {"name": "status", "type": "category"},
    ],
    "steps": [
        {"step": "drop_columns", "columns": ["id"]},
        {"step": "drop_rows_with_missing"},
        {"step": "target", "column": "status", "classes": ["paid", "lost"]},
        {"step": "one_hot", "columns": ["kind"]},
        {"step": "standardise", "columns": ["amount", "months", "kind=car"]},
    ],
    "split": {"method": "stratified_shuffle", "train_fraction": 0.7, "seed": 1},
}


def changed(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(BASE), **changes}


def with_steps(*steps: dict[str, Any]) -> dict[str, Any]:
    return changed(steps=[*steps])


def with_column(place: int, **changes: Any) -> dict[str, Any]:
    data = changed()
    data["columns"][place] |= changes
    return data


def refusal(data: dict[str, Any]) -> Invalid:
    with pytest.raises(Invalid) as caught:
        parse_declaration(data)
    assert caught.value.code == "dataset.invalid"
    return caught.value


def test_features_keep_the_order_of_columns_and_one_hot_goes_last() -> None:
    declaration = parse_declaration(BASE)
    assert declaration.features() == ("amount", "months", "half", "kind=car", "kind=house", "kind=other")
    assert declaration.n_classes == 2
    assert declaration.class_names == ("paid", "lost")
    assert [column.name for column in declaration.columns_used] == ["amount", "kind", "months", "half", "status"]


def test_dropping_the_first_level_and_the_split_column() -> None:
    data = changed(split={"method": "by_column", "column": "half", "train_value": 1})
    data["steps"][3] = {"step": "one_hot", "columns": ["kind"], "drop_first": True}
    del data["steps"][4]
    assert parse_declaration(data).features() == ("amount", "months", "kind=house", "kind=other")


def test_a_declaration_survives_json() -> None:
    declaration = parse_declaration(BASE)
    again = DatasetDeclaration.model_validate_json(declaration.model_dump_json())
    assert again == declaration
    assert again.schema_digest == declaration.schema_digest


@pytest.mark.parametrize(
    "same",
    [
        changed(
            name="other", title="Other bank", description="…", delimiter=";", decimal=",", missing=["?"], header=False
        ),
        changed(format="parquet"),
        with_column(3, maximum=600),
        changed(steps=[{"step": "drop_columns", "columns": ["id", "colour"]}, *BASE["steps"][1:]])
        | {"columns": [*BASE["columns"], {"name": "colour", "type": "text"}]},
    ],
)
def test_silos_may_differ_in_how_they_keep_their_data(same: dict[str, Any]) -> None:
    assert parse_declaration(same).schema_digest == parse_declaration(BASE).schema_digest


@pytest.mark.parametrize(
    "other",
    [
        with_column(1, unit="USD"),
        with_column(2, levels=["house", "car", "other"]),
        changed(split={"method": "stratified_shuffle", "train_fraction": 0.7, "seed": 2}),
        changed(steps=[*BASE["steps"][:2], {**BASE["steps"][2], "classes": ["lost", "paid"]}, *BASE["steps"][3:]]),
        changed(steps=BASE["steps"][:4]),
    ],
)
def test_silos_may_not_differ_in_what_the_features_mean(other: dict[str, Any]) -> None:
    assert parse_declaration(other).schema_digest != parse_declaration(BASE).schema_digest


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (changed(name="Not a slug"), "pattern"),
        (changed(path="/data/loans.csv"), "no such field"),
        (changed(format="pickle"), "csv"),
        (changed(delimiter=","), None),
        (changed(decimal=","), "decimal mark"),
        (changed(columns=[]), "at least 1"),
        (changed(columns=[*BASE["columns"], BASE["columns"][0]]), "distinct names"),
        (with_column(1, levels=[1, 2]), "levels belong"),
        (with_column(2, levels=["car", "car"]), "distinct"),
        (with_column(2, levels=["car", 1]), "all whole numbers or all texts"),
        (with_column(3, levels=["1", "2"]), "whole numbers"),
        (with_column(2, minimum=1), "bounds belong"),
        (with_column(1, minimum=float("nan")), "finite"),
        (changed(steps=[{"step": "eval", "code": "1"}]), "eval"),
        (with_steps(*BASE["steps"][:2], *BASE["steps"][3:]), "exactly one target"),
        (with_steps(*BASE["steps"], BASE["steps"][2]), "exactly one target"),
        (with_steps({"step": "drop_columns", "columns": ["nothing"]}, *BASE["steps"]), "nothing"),
        (with_steps(BASE["steps"][0], BASE["steps"][0], *BASE["steps"][1:]), "'id'"),
        (with_steps(*BASE["steps"], {"step": "drop_rows_with_missing"}), "comes last"),
        (with_steps(*BASE["steps"][1:]), "'id' is text"),
        (with_steps(*BASE["steps"][:3]), "'kind' is category"),
        (with_steps(*BASE["steps"][:3], {"step": "one_hot", "columns": ["months", "kind"]}), "levels of 'months'"),
        (with_steps(*BASE["steps"][:4], {"step": "standardise", "columns": ["status"]}), "no feature"),
        (with_steps(*BASE["steps"][:2], {"step": "target", "column": "status", "positive": ">0"}), "column of numbers"),
        (
            with_steps(*BASE["steps"][:2], {"step": "target", "column": "half", "classes": ["0", "1"]}),
            "labels are whole numbers",
        ),
        (changed(split={"method": "by_column", "column": "id", "train_value": "x"}), "'id'"),
        (changed(split={"method": "by_column", "column": "half", "train_value": "x"}), "whole numbers"),
        (changed(split={"method": "stratified_shuffle", "train_fraction": 1.0, "seed": 1}), "less than 1"),
    ],
)
def test_refuses(data: dict[str, Any], why: str | None) -> None:
    if why is None:
        parse_declaration(data)
    else:
        assert why in refusal(data).message


def test_an_error_names_the_field() -> None:
    assert refusal(with_column(3, minimum="low")).field == "columns.3.minimum"


def test_refuses_more_columns_or_features_than_allowed() -> None:
    columns = [{"name": f"c{number}", "type": "number"} for number in range(10_001)]
    assert "at most 10000" in refusal(changed(columns=columns)).message
    wide = [{"name": f"c{number}", "type": "integer", "levels": list(range(1000))} for number in range(101)]
    steps = [
        {"step": "target", "column": "y", "positive": ">0"},
        {"step": "one_hot", "columns": [column["name"] for column in wide]},
    ]
    data = changed(columns=[*wide, {"name": "y", "type": "integer"}], steps=steps)
    assert "at most 100000" in refusal(data).message


@pytest.mark.parametrize(
    ("positive", "comparison"),
    [(">0", (">", 0.0)), (">= -1.5", (">=", -1.5)), ("==2", ("==", 2.0)), ("!=0", ("!=", 0.0)), ("<=3", ("<=", 3.0))],
)
def test_a_comparison_is_read(positive: str, comparison: tuple[str, float]) -> None:
    target = Target(step="target", column="y", positive=positive)
    assert target.comparison == comparison
    assert target.class_names == (f"not y {positive}", f"y {positive}")


@pytest.mark.parametrize("positive", ["", "0", "> x", ">0 or 1", "=>0", ">1e5", ">0\n", ">٣", "__import__('os')"])
def test_a_comparison_is_a_comparison_and_nothing_else(positive: str) -> None:
    with pytest.raises(ValueError, match="comparison"):
        Target(step="target", column="y", positive=positive)


def test_class_names_are_as_many_as_classes() -> None:
    with pytest.raises(ValueError, match="one name a class"):
        Target(step="target", column="y", positive=">0", names=("one",))
