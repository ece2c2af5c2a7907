"""The examples of docs/declarations.md: declaration, file and features, as they stand there."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from federation.protocol import dataset_columns, dataset_steps
from federation.protocol.datasets import DatasetDeclaration, parse_declaration
from silo_connector.trainer.data import load

PAGE = (Path(__file__).parents[4] / "docs" / "declarations.md").read_text()
COMMON = re.findall(r"```toml common\n(.*?)```", PAGE, re.DOTALL)[0]
EXAMPLES = re.findall(r"```toml example\n(.*?)```.*?```csv\n(.*?)```.*?```result\n(.*?)```", PAGE, re.DOTALL)


def declared(text: str) -> dict[str, Any]:
    return {**tomllib.loads(COMMON), **tomllib.loads(text)}


def test_every_example_is_found() -> None:
    assert len(EXAMPLES) == PAGE.count("```toml example") == PAGE.count("```csv") == PAGE.count("```result") > 8


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_do_what_they_say(example: tuple[str, str, str], tmp_path: Path) -> None:
    text, file, result = example
    declaration = parse_declaration(declared(text))
    path = tmp_path / "data.csv"
    path.write_text(file, encoding=declaration.encoding)
    prepared = load(declaration, path)
    expected = list(csv.DictReader(result.splitlines()))
    assert declaration.features() == tuple(name for name in expected[0] if name not in ("class", "for"))
    for part, rows in (("train", prepared.train), ("test", prepared.test)):
        found = [[*row, target] for row, target in zip(rows.features.tolist(), rows.labels.tolist(), strict=True)]
        listed = [
            [float(row[name]) for name in row if name != "for"] for row in expected if row.get("for", part) == part
        ]
        if "for" in expected[0]:
            np.testing.assert_allclose(found, listed, rtol=1e-4, atol=1e-6)
        else:
            assert all(any(np.allclose(one, other, rtol=1e-4) for other in listed) for one in found)
    assert len(expected) == prepared.rows_total


def test_everything_that_a_declaration_can_say_is_on_the_page() -> None:
    words = {f"`{word}`" for word in re.findall(r"`([^`\n]+)`", PAGE)}
    steps = [kind.model_fields["step"].annotation for kind in get_args(get_args(dataset_steps.Step)[0])]
    splits = [kind.model_fields["method"].annotation for kind in get_args(get_args(dataset_steps.Split)[0])]
    names = [name for literal in (*steps, *splits) for name in get_args(literal)]
    names += [*get_args(dataset_columns.ColumnType), *get_args(dataset_columns.DateFormat)]
    names += list(DatasetDeclaration.model_fields)
    assert [name for name in names if f"`{name}`" not in words] == []
    examples = "".join(text for text, _, _ in EXAMPLES)
    used = {*re.findall(r'step = "(\w+)"', examples), *re.findall(r'method = "(\w+)"', COMMON + examples)}
    assert used == {name for literal in (*steps, *splits) for name in get_args(literal)}
