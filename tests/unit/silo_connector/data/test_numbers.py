"""A column that is a number to be predicted: its labels, and a split that knows no classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from federation.protocol.datasets import parse_declaration
from federation.targets import target_of
from silo_connector.runner.plan import load as load_plan
from silo_connector.trainer.data import DataError, load

DECLARED: dict[str, Any] = {
    "name": "cholesterol",
    "title": "Cholesterol",
    "missing": ["?"],
    "columns": [{"name": "age", "type": "number"}, {"name": "chol", "type": "number"}],
    "steps": [
        {"step": "drop_rows_with_missing"},
        {"step": "target", "column": "chol", "kind": "real"},
    ],
    "split": {"method": "stratified_shuffle", "train_fraction": 0.5, "seed": 4},
}


def file_of(folder: Path, *lines: str) -> Path:
    path = folder / "rows.csv"
    path.write_text("\n".join(("age,chol", *lines)) + "\n")
    return path


def test_labels_are_the_column_s_numbers_and_the_split_is_not_by_them(tmp_path: Path) -> None:
    chol = [200.5] * 4 + [300.0] * 4 + [250.25] * 4  # as classes they would be stratified by
    rows = load(parse_declaration(DECLARED), file_of(tmp_path, "40,?", *(f"{50 + n},{c}" for n, c in enumerate(chol))))
    assert rows.train.target == target_of("real", None)
    assert rows.train.labels.dtype == np.float32
    train, test = train_test_split(np.arange(12), train_size=6, test_size=6, random_state=4, shuffle=True)
    assert rows.train.labels.tolist() == [chol[place] for place in sorted(train)]
    assert rows.test.labels.tolist() == [chol[place] for place in sorted(test)]
    assert rows.train.features[:, 0].tolist() == [50 + place for place in sorted(train)]


def test_a_number_beyond_all_bounds_and_a_missing_one_are_reported_with_their_lines(tmp_path: Path) -> None:
    declared = DECLARED | {"steps": DECLARED["steps"][1:]}
    with pytest.raises(DataError) as caught:
        load(parse_declaration(declared), file_of(tmp_path, "50,1e13", "51,?", "52,200"))
    codes = {error.code for error in (caught.value, *caught.value.more)}
    assert codes == {"data.bad_value", "data.missing_value"}
    texts = " ".join(error.message for error in (caught.value, *caught.value.more))
    assert "is no label of a real target" in texts
    assert "line 2" in texts


def test_a_training_plan_predicts_a_number_with_the_target_s_loss() -> None:
    import torch

    source = b"""
import torch

def predict(parameters, features):
    return torch.nn.functional.linear(features, parameters["weight"])
"""
    plan = load_plan(source, target_of("real", None))
    weight = torch.tensor([[2.0]], requires_grad=True)
    loss, (gradient,) = plan.gradients({"weight": weight}, torch.tensor([[1.0], [2.0]]), torch.tensor([3.0, 4.0]))
    assert float(loss) == pytest.approx((1.0 + 0.0) / 2)
    assert float(gradient) == pytest.approx((2 * (2 - 3) * 1 + 0) / 2)
