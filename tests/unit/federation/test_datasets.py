"""Dataset declarations: the features follow from the declaration alone, and what can't be carried out is refused."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from federation.errors import Invalid
from federation.protocol.dataset_differences import differences
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
        (changed(name="Not a slug"), "written like heart-disease"),
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
def test_a_dataset_declaration_refuses_wrong_values(data: dict[str, Any], why: str | None) -> None:
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


RENAMED = changed(
    columns=[
        {"name": "Kennung", "type": "text"},
        {"name": "Betrag", "type": "number", "unit": "EUR", "maximum": 1e6},
        {"name": "Art", "type": "integer", "levels": [3, 1, 2]},
        {"name": "months", "type": "integer"},
        {"name": "half", "type": "category", "levels": ["no", "yes"]},
        {"name": "Status", "type": "category"},
    ],
    steps=[
        {"step": "drop_columns", "columns": ["Kennung"]},
        {
            "step": "map_values",
            "columns": ["Art"],
            "values": [{"value": 1, "to": "car"}, {"value": 2, "to": "house"}, {"value": 3, "to": "other"}],
            "levels": ["car", "house", "other"],
        },
        {"step": "drop_rows_with_missing"},
        {"step": "map_values", "columns": ["half"], "values": [{"value": "no", "to": 0}, {"value": "yes", "to": 1}]},
        {
            "step": "rename",
            "renames": [{"column": old, "to": new} for old, new in (("Betrag", "amount"), ("Art", "kind"))],
        },
        {"step": "map_values", "columns": ["Status"], "values": [{"value": "bezahlt", "to": "paid"}]},
        {"step": "rename", "renames": [{"column": "Status", "to": "status"}]},
        *BASE["steps"][2:],
    ],
)


def test_other_names_and_values_in_the_file_end_in_the_same_schema() -> None:
    """The one in the vocabulary of 1.0 and the one that needs more are one schema, with 1.0's digest."""
    own, theirs = parse_declaration(BASE), parse_declaration(RENAMED)
    assert theirs.features() == own.features()
    assert theirs.schema_digest == own.schema_digest
    assert differences(own, theirs) == []


DIGESTS = {
    "heart-disease": "sha256:bb9dd99522b4511f258b5e0d168be6d37a7be931d5c27836a761352056e63ad9",
    "sba-loans": "sha256:37d2b3e3fc84f66c5ec35d81a5758bc833b5a94322c66b6be83f27653c427da4",
}


@pytest.mark.parametrize("name", DIGESTS)
def test_declarations_of_protocol_1_0_keep_their_digests(name: str) -> None:
    file = Path(__file__).parents[3] / "silo_connector" / "examples" / f"{name}.toml"
    data = tomllib.loads(file.read_text())
    del data["source"]
    assert parse_declaration(data).schema_digest == DIGESTS[name]
    assert "date_format" not in parse_declaration(data).model_dump_json(), "and what is signed of them stays the same"


NEW_STEPS = [
    {"step": "impute", "columns": ["amount"], "value": 1},
    {"step": "clip", "columns": ["amount"], "maximum": 9},
    {"step": "log", "columns": ["amount"], "offset": 1},
]


@pytest.mark.parametrize(
    ("steps", "is_same"),
    [
        (NEW_STEPS, True),
        ([{**NEW_STEPS[0], "value": 1.0}, *NEW_STEPS[1:]], True),
        ([*NEW_STEPS[:2], {"step": "impute", "columns": ["months"], "value": 2}, NEW_STEPS[2]], False),
        ([NEW_STEPS[0], NEW_STEPS[2], NEW_STEPS[1]], False),
        ([{**NEW_STEPS[0], "value": 2}, *NEW_STEPS[1:]], False),
        ([*NEW_STEPS[:2], {**NEW_STEPS[2], "offset": 2}], False),
        (NEW_STEPS[:2], False),
    ],
)
def test_what_is_done_to_values_is_part_of_the_schema(steps: list[dict[str, Any]], is_same: bool) -> None:
    one, other = (
        parse_declaration(with_steps(BASE["steps"][0], *more, *BASE["steps"][1:])) for more in (NEW_STEPS, steps)
    )
    assert (one.schema_digest == other.schema_digest) == is_same
    assert bool(differences(one, other)) != is_same
    assert one.schema_digest != parse_declaration(BASE).schema_digest


def test_the_order_of_what_is_no_feature_means_nothing() -> None:
    """Digests of 1.0 know it, and stay what they are; what is compared before training does not."""
    moved = changed(columns=[BASE["columns"][-1], *BASE["columns"][:-1]])
    moved["steps"][2:4] = [BASE["steps"][3], BASE["steps"][2]]
    own, theirs = parse_declaration(BASE), parse_declaration(moved)
    assert own.schema_digest != theirs.schema_digest
    assert own.meaning_digest == theirs.meaning_digest
    assert differences(own, theirs) == []
    first, second, *rest = BASE["columns"]
    swapped = changed(columns=[first, rest[1], second, rest[0], *rest[2:]])
    assert parse_declaration(swapped).meaning_digest != own.meaning_digest, "the order of features does mean something"


@pytest.mark.parametrize(
    ("other", "part", "name"),
    [
        (with_column(1, unit="USD"), "unit", "amount"),
        (with_column(2, levels=["house", "car", "other"]), "levels", "kind"),
        (with_column(3, type="number"), "type", "months"),
        (changed(split={**BASE["split"], "seed": 2}), "split", ""),
        (
            with_steps(*BASE["steps"][:2], {**BASE["steps"][2], "classes": ["lost", "paid"]}, *BASE["steps"][3:]),
            "target",
            "",
        ),
        (with_steps(*BASE["steps"][:2], {**BASE["steps"][2], "names": ["a", "b"]}, *BASE["steps"][3:]), "classes", ""),
        (with_steps(*BASE["steps"][:4]), "scaling", "amount"),
        (with_steps(BASE["steps"][0], *BASE["steps"][2:]), "steps", "amount"),
        (with_steps({**BASE["steps"][0], "columns": ["id", "months"]}, *BASE["steps"][1:4]), "feature", "2"),
    ],
)
def test_the_first_difference_of_two_declarations_is_named(other: dict[str, Any], part: str, name: str) -> None:
    first = differences(parse_declaration(BASE), parse_declaration(other))[0]
    assert (first.part, first.name) == (part, name)
    assert first.first != first.other


DATED = changed(
    columns=[*BASE["columns"], {"name": "made", "type": "date", "date_format": "dd.mm.yyyy"}],
    split={"method": "by_date", "column": "made", "train_before": "2020-01-01"},
)


def test_how_dates_are_written_is_no_part_of_the_schema() -> None:
    one = parse_declaration(DATED)
    other = copy.deepcopy(DATED)
    other["columns"][-1]["date_format"] = "yyyymmdd"
    assert one.schema_digest == parse_declaration(other).schema_digest
    other["split"]["train_before"] = "2021-01-01"
    assert one.schema_digest != parse_declaration(other).schema_digest
    assert one.features() == parse_declaration(BASE).features()


def recoded(*steps: dict[str, Any]) -> dict[str, Any]:
    return with_steps(BASE["steps"][0], *steps, *BASE["steps"][1:])


def mapping(column: str, *values: dict[str, Any], **more: Any) -> dict[str, Any]:
    return recoded({"step": "map_values", "columns": [column], "values": [*values], **more})


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (recoded({"step": "rename", "renames": [{"column": "sum", "to": "x"}]}), "rename names 'sum'"),
        (recoded({"step": "rename", "renames": [{"column": "amount", "to": "months"}]}), "which another column has"),
        (recoded({"step": "rename", "renames": [{"column": "amount", "to": "id"}]}), "'amount'"),
        (mapping("amount", {"value": "a", "to": "b"}), "'amount' holds numbers"),
        (mapping("status", {"value": "a", "to": 1}), "makes numbers of 'status'"),
        (mapping("kind", {"value": "car", "to": 1}), "numbers and texts of the levels of 'kind'"),
        (mapping("kind", {"value": "car", "to": "a"}, {"value": "car"}), "mapped once"),
        (mapping("kind", {"value": "car", "to": "a"}, {"value": "house", "to": 1}), "all whole numbers or all texts"),
        (mapping("kind", {"value": "car", "to": "van"}, levels=["car", "house"]), "leaves 'van' in 'kind'"),
        (mapping("half", {"value": 0}), "fewer than two levels"),
        (recoded({"step": "impute", "columns": ["kind"], "value": "boat"}), "not among its levels"),
        (recoded({"step": "impute", "columns": ["kind"], "value": 1}), "a number into 'kind', which holds texts"),
        (recoded({"step": "impute", "columns": ["months"], "value": 1.5}), "'months' holds whole numbers"),
        (recoded({"step": "impute", "columns": ["status"], "value": "paid"}), "the target is as observed"),
        (recoded({"step": "clip", "columns": ["amount"]}), "give a minimum"),
        (recoded({"step": "clip", "columns": ["amount"], "minimum": 2, "maximum": 1}), "below the maximum"),
        (recoded({"step": "log", "columns": ["kind"]}), "log is for numbers without levels, and 'kind'"),
        (recoded({"step": "log", "columns": ["amount"], "offset": -1}), "at least 0"),
        ({**DATED, "columns": [*BASE["columns"], {"name": "made", "type": "date"}]}, "says its date_format"),
        (changed(split={"method": "by_date", "column": "months", "train_before": "2020-01-01"}), "column of dates"),
        (changed(columns=[*BASE["columns"], DATED["columns"][-1]]), "'made' is date"),
    ],
)
def test_refuses_steps_that_can_not_be_done_and_names_the_column(data: dict[str, Any], why: str) -> None:
    error = refusal(data)
    assert why in " ".join([error.message, *(text for texts in error.fields.values() for text in texts)])


def test_everything_that_is_wrong_is_reported_by_column_and_step() -> None:
    data = with_column(3, minimum="low")
    data["columns"][1]["type"] = "numbre"
    data["steps"][3]["columns"] = []
    fields = refusal(data).fields
    assert list(fields) == ["columns.1.type", "columns.3.minimum", "steps.3.columns"]
    assert fields["columns.3.minimum"] == ["column 'months', minimum: This has to be a number."]
    assert fields["steps.3.columns"][0].startswith("step 4 (one_hot), columns: ")
    data = with_steps({"step": "one_hot", "columns": ["months"]}, {"step": "log", "columns": ["sum"]}, BASE["steps"][2])
    fields = refusal(data).fields
    assert fields["steps.0"] == ["step 1 (one_hot): one_hot needs the levels of 'months'"]
    assert fields["steps.1"] == ["step 2 (log): log names 'sum', which is no column at that point"]
    assert refusal(with_column(2, levels=["car", 1.5])).fields.keys() == {"columns.2.levels.1"}, "and no type is named"
