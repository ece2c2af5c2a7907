"""Data files and declarations, made here or shipped as examples."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from federation.protocol.datasets import DatasetDeclaration, parse_declaration
from silo_connector.trainer.data import read_declaration

EXAMPLES = Path(__file__).parents[4] / "silo_connector" / "examples"


def example(name: str) -> DatasetDeclaration:
    """A declaration that is shipped."""
    return read_declaration(EXAMPLES / f"{name}.toml").declaration


BASE: dict[str, Any] = {
    "name": "small",
    "title": "Made for tests",
    "missing": ["?", "-9"],
    "columns": [
        {"name": "x", "type": "number"},
        {"name": "kind", "type": "category", "levels": ["car", "house"]},
        {"name": "y", "type": "integer"},
    ],
    "steps": [
        {"step": "drop_rows_with_missing"},
        {"step": "target", "column": "y", "positive": ">0"},
        {"step": "one_hot", "columns": ["kind"]},
    ],
    "split": {"method": "stratified_shuffle", "train_fraction": 0.5, "seed": 0},
}


def declare(**changes: Any) -> DatasetDeclaration:
    """The small declaration, changed."""
    return parse_declaration({**copy.deepcopy(BASE), **changes})


def without(*steps: str) -> list[dict[str, Any]]:
    """The small declaration's steps but for these."""
    return [step for step in BASE["steps"] if step["step"] not in steps]
