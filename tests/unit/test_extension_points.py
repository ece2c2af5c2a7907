"""What ARCHITECTURE.md says of adding something: a file is written where the table says, and is found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from demo.services import ROOT
from federation.discovery import Offers

ROW = re.compile(r"^\| (?P<what>[^|]+) \| `(?P<folder>[^`]+)/` \| `(?P<attribute>[A-Z_]+)` \|$", re.MULTILINE)
ROWS = [match.groupdict() for match in ROW.finditer((ROOT / "ARCHITECTURE.md").read_text())]


class Anything:
    """Has a name, however a registry asks for it, and a place among the others."""

    name = mode = "added-by-a-test"
    rank = 99
    targets: tuple[str, ...] = ()
    kind = SimpleNamespace(value="added-by-a-test")
    model_fields: Mapping[str, Any] = {"name": SimpleNamespace(default="added-by-a-test")}


def registries(package: str, attribute: str) -> Iterator[Offers[Any]]:
    """Those that look for this attribute in this package, wherever they stand."""
    for module in (package, f"{package}.registry"):
        try:
            found = import_module(module)
        except ModuleNotFoundError:
            continue
        for one in vars(found).values():
            if isinstance(one, Offers) and (one.package, one.attribute) == (package, attribute):
                yield one


def test_the_table_has_the_doors_that_there_are() -> None:
    assert {row["attribute"] for row in ROWS} == {
        *(
            "STRATEGY",
            "COMBINER",
            "FAMILY",
            "TARGET",
            "STEP_KIND",
            "STEPLESS_KIND",
            "STATEMENT_KIND",
            "KIND",
            "PROTOCOL",
        ),
        *("PAYLOAD", "MODE", "PROTECTION"),
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row["attribute"]))
def test_a_file_that_is_written_where_the_table_says_is_found(
    row: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = row["folder"].removeprefix("platform/").replace("/", ".")
    (registry,) = registries(package, row["attribute"])
    before = set(registry)
    # budgets will bring the first order of a job that belongs to no round
    assert before or row["attribute"] == "STEPLESS_KIND", "nothing is found at all"
    module = f"added_{row['attribute'].lower()}"
    (tmp_path / f"{module}.py").write_text(
        f"from tests.unit.test_extension_points import Anything\n\n{row['attribute']} = Anything\n"
    )
    with monkeypatch.context() as patched:
        found = import_module(package)
        patched.setattr(found, "__path__", [*found.__path__, str(tmp_path)])
        assert set(registry) == before | {"added-by-a-test"}
    assert set(registry) == before


def test_the_name_of_a_protection_mode_stands_in_one_place() -> None:
    """Whoever asks for a mode asks `federation.protection`: to add one, nothing else changes."""
    named = re.compile(r"""(["'])(clear|masked|encrypted)\1""")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("federation", "platform", "silo_connector")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.parent != ROOT / "federation" / "protection"
        for line in path.read_text().splitlines()
        if named.search(line) and "ctypes" not in line
    ]
    assert found == []
