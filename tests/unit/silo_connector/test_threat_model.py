"""The tables of docs/threat-model.md: every row names a test that there is, and every attack has its row."""

from __future__ import annotations

import ast
import re

import pytest

from tests.unit.silo_connector import hostile_agreements, hostile_code, hostile_jobs
from tests.unit.silo_connector.hostile import ATTACKS
from tests.unit.silo_connector.sites import ROOT

TEXT = (ROOT / "docs" / "threat-model.md").read_text()
MODULES = (hostile_jobs, hostile_agreements, hostile_code)
"""Whose attacks are in the list: they enter themselves."""
ROW = re.compile(r"^\| (?!attack|---)(?P<attack>.+?) \| (?P<stops>.+) \| (?P<code>[^|]+) \| `(?P<test>\w+)` \|$", re.M)


def sections() -> dict[str, list[re.Match[str]]]:
    """The rows below each line that names the files of their tests."""
    parts = re.split(r"^Tests: (.+)$", TEXT, flags=re.M)
    return {paths: list(ROW.finditer(body)) for paths, body in zip(parts[1::2], parts[2::2], strict=True)}


@pytest.mark.parametrize("paths", sections())
def test_every_row_names_a_test_that_there_is(paths: str) -> None:
    nodes = [node for path in re.findall("`([^`]+)`", paths) for node in ast.walk(ast.parse((ROOT / path).read_text()))]
    defined = {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    rows = sections()[paths]
    assert rows
    assert not [row["test"] for row in rows if row["test"] not in defined]
    reported = re.findall(r"^\| (?!attack|---)", TEXT, re.M)
    assert len(reported) == sum(map(len, sections().values())), "a row is not written as the others"


def test_every_attack_of_a_hostile_platform_has_its_row_and_its_code() -> None:
    rows = {row["test"]: row["code"].strip("` ") for found in sections().values() for row in found}
    assert not set(ATTACKS) - set(rows)
    assert {name: rows[name] for name in ATTACKS} == {name: attack.code for name, attack in ATTACKS.items()}


def test_every_path_in_the_wider_table_is_there() -> None:
    text = (ROOT / "THREAT_MODEL.md").read_text()
    paths = {path.partition("::")[0] for path in re.findall(r"`((?:tests|docs)/[^`]+)`", text)}
    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]
