"""What a card says of features is what the trainer makes, whatever the steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from federation.protocol.dataset_serving import inputs_of
from silo_connector.trainer.data import load
from tests.support import serving
from tests.unit.silo_connector.data.conftest import BASE, declare

STEPS = [
    {"step": "rename", "renames": [{"column": "y", "to": "ill"}]},
    {"step": "map_values", "columns": ["kind"], "values": [{"value": "c", "to": "car"}], "levels": ["house", "car"]},
    {"step": "impute", "columns": ["x"], "value": 3},
    {"step": "clip", "columns": ["x"], "maximum": 9},
    {"step": "drop_rows_with_missing"},
    {"step": "log", "columns": ["x"], "offset": 1},
    {"step": "target", "column": "ill", "positive": ">0"},
    {"step": "one_hot", "columns": ["kind"]},
    {"step": "standardise", "columns": ["x", "kind=car"], "ddof": 0},
]


def test_features_follow_from_the_card(tmp_path: Path) -> None:
    columns = [BASE["columns"][0], {"name": "kind", "type": "category", "levels": ["house", "c"]}, BASE["columns"][2]]
    split = {"method": "by_column", "column": "part", "train_value": "t"}
    declaration = declare(columns=[*columns, {"name": "part", "type": "text"}], steps=STEPS, split=split)
    lines = [f"{'?' if n == 4 else n},{'c' if n % 3 else 'house'},{n % 2},{'t' if n < 8 else 'e'}" for n in range(14)]
    path = tmp_path / "data.csv"
    path.write_text("x,kind,y,part\n" + "\n".join([*lines, "1,?,1,t"]) + "\n")
    rows: list[serving.Row] = [
        {"x": None if n == 4 else float(n), "kind": "car" if n % 3 else "house"} for n in range(14)
    ]
    card = {"inputs": inputs_of(declaration)}
    rows = serving.complete(card, [*rows, {"x": 1.0, "kind": None}])
    is_training = np.arange(14) < 8
    prepared = load(declaration, path)
    x = serving.matrix(card, rows, is_training)
    np.testing.assert_allclose(x[is_training], prepared.train.features, rtol=1e-6)
    np.testing.assert_allclose(x[~is_training], prepared.test.features, rtol=1e-6)
