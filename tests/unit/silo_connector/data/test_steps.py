"""The declared steps: targets, encodings, scaling and splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from silo_connector.trainer.data import DataError, Prepared, load
from tests.support.every import every
from tests.unit.silo_connector.data.conftest import BASE, declare, without

STANDARDISE = {"step": "standardise"}


def read(folder: Path, lines: list[str], **changes: Any) -> Prepared:
    path = folder / "data.csv"
    path.write_text("x,kind,y\n" + "\n".join(lines) + "\n")
    return load(declare(**changes), path)


def code(folder: Path, lines: list[str], **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, lines, **changes)
    return caught.value.code


MIXED = [f"{number},{'car' if number % 2 else 'house'},{number % 3 - 1}" for number in range(12)]


@pytest.mark.parametrize(
    ("positive", "expected"),
    [(">0", {1}), (">=0", {0, 1}), ("<0", {-1}), ("<=-1", {-1}), ("==0", {0}), ("!=0", {-1, 1})],
)
def test_comparison_steps_select_their_rows(tmp_path: Path, positive: str, expected: set[int]) -> None:
    steps = [*without("target"), {"step": "target", "column": "y", "positive": positive}]
    prepared = read(tmp_path, MIXED, steps=steps)
    for part in (prepared.train, prepared.test):
        for (x, *_), target in every(zip(part.features.tolist(), part.labels.tolist(), strict=True)):
            assert target == int(int(x) % 3 - 1 in expected)


def test_classes_have_the_numbers_of_their_places(tmp_path: Path) -> None:
    steps = [*without("target"), {"step": "target", "column": "y", "classes": [1, -1, 0]}]
    prepared = read(tmp_path, MIXED, steps=steps)
    assert prepared.train.target.n_classes == 3
    for (x, *_), target in every(zip(prepared.train.features.tolist(), prepared.train.labels.tolist(), strict=True)):
        assert [1, -1, 0][target] == int(x) % 3 - 1


def test_text_classes_become_numbered_classes(tmp_path: Path) -> None:
    steps = [{"step": "target", "column": "kind", "classes": ["house", "car"]}]
    prepared = read(tmp_path, MIXED, steps=steps)
    for (x, _), target in every(zip(prepared.train.features.tolist(), prepared.train.labels.tolist(), strict=True)):
        assert target == int(x) % 2


def test_a_value_that_is_no_class_is_named_by_its_row_in_the_file(tmp_path: Path) -> None:
    steps = [*without("target"), {"step": "target", "column": "y", "classes": [0, 1]}]
    with pytest.raises(DataError, match=r"line 3, column 'y': the value is none of the classes") as caught:
        read(tmp_path, ["?,car,1", "1,car,5", "1,car,1"], steps=steps)
    assert caught.value.code == "data.bad_value"


def test_a_missing_value_that_no_step_removes_is_named_by_its_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 4, column 'kind': the value is missing") as caught:
        read(tmp_path, ["1,car,1", "1,car,0", "1,?,1"], steps=without("drop_rows_with_missing"))
    assert caught.value.code == "data.missing_value"


def test_missing_in_a_dropped_column_drops_no_row(tmp_path: Path) -> None:
    steps = [{"step": "drop_columns", "columns": ["kind"]}, *without("one_hot")]
    assert read(tmp_path, ["1,?,1", "1,,0", "1,car,1", "1,boat,0"], steps=steps).rows_total == 4


def test_rows_may_be_dropped_after_the_target_is_made(tmp_path: Path) -> None:
    steps = [BASE["steps"][2], BASE["steps"][1], BASE["steps"][0]]
    prepared = read(tmp_path, [*MIXED, "?,car,1"], steps=steps)
    assert (prepared.rows_read, prepared.rows_total) == (13, 12)
    assert same_rows(prepared, read(tmp_path, MIXED))


def same_rows(one: Prepared, other: Prepared) -> bool:
    return one.train.features.tobytes() == other.train.features.tobytes() and one.rows_total == other.rows_total


def test_only_the_named_features_are_standardised(tmp_path: Path) -> None:
    plain = read(tmp_path, MIXED)
    scaled = read(tmp_path, MIXED, steps=[*BASE["steps"], {**STANDARDISE, "columns": ["x"]}])
    np.testing.assert_array_equal(plain.train.features[:, 1:], scaled.train.features[:, 1:])
    x = plain.train.features[:, 0].astype(np.float64)
    expected = (plain.test.features[:, 0] - x.mean()) / (x.std(ddof=1) + 1e-9)
    np.testing.assert_allclose(scaled.test.features[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("epsilon", [0.0, 1e-9])
def test_a_constant_feature_becomes_zero(tmp_path: Path, epsilon: float) -> None:
    lines = [f"5,car,{number % 2}" for number in range(12)]
    prepared = read(tmp_path, lines, steps=[*BASE["steps"], {**STANDARDISE, "epsilon": epsilon}])
    assert not prepared.train.features.any()
    assert not prepared.test.features.any()


def test_one_training_row_has_no_deviation(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "split": {**BASE["split"], "train_fraction": 0.34},
        "steps": [*BASE["steps"], STANDARDISE],
    }
    assert code(tmp_path, ["1,car,1", "2,car,0", "3,car,1"], **changes) == "data.no_rows"


def test_one_class_alone_is_allowed(tmp_path: Path) -> None:
    prepared = read(tmp_path, [f"{number},car,1" for number in range(10)])
    assert set(prepared.train.labels.tolist()) == {1}
    assert prepared.train.target.n_classes == 2


def test_the_split_is_stratified_where_every_class_has_three_rows(tmp_path: Path) -> None:
    lines = [f"{number},car,{int(number < 4)}" for number in range(12)]
    prepared = read(tmp_path, lines)
    assert (prepared.train.labels.sum(), prepared.test.labels.sum()) == (2, 2)
    rare = [f"{number},car,{int(number < 2)}" for number in range(12)]
    seeds = range(8)
    found = {int(read(tmp_path, rare, split={**BASE["split"], "seed": seed}).train.labels.sum()) for seed in seeds}
    assert len(found) > 1


def test_a_column_may_say_which_rows_are_for_training(tmp_path: Path) -> None:
    split = {"method": "by_column", "column": "kind", "train_value": "car"}
    prepared = read(tmp_path, MIXED, steps=without("one_hot"), split=split)
    assert prepared.train.features[:, 0].tolist() == [1, 3, 5, 7, 9, 11]
    assert prepared.train.n_features == 1


def test_a_split_column_must_be_there_in_every_row_and_name_both_sides(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "steps": without("one_hot", "drop_rows_with_missing"),
        "split": {"method": "by_column", "column": "kind", "train_value": "car"},
    }
    assert code(tmp_path, ["1,car,1", "1,?,1", "1,house,0"], **changes) == "data.missing_value"
    assert code(tmp_path, ["1,car,1", "1,car,0"], **changes) == "data.no_rows"
    assert code(tmp_path, ["1,house,1", "1,house,0"], **changes) == "data.no_rows"


def test_the_platform_learns_a_code_and_nothing_of_the_value(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, ["secret,car,1"])
    assert "secret" in caught.value.message
    assert caught.value.code == "data.bad_value"
    assert caught.value.field is None
