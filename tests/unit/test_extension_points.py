"""What ARCHITECTURE.md says of adding something: a file is written where the table says, and is found."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from demo.services import ROOT
from federation.discovery import Offers
from federation.tasks import TASKS

ROW = re.compile(r"^\| (?P<what>[^|]+) \| `(?P<folder>[^`]+)/` \| `(?P<attribute>[A-Z_]+)` \|$", re.MULTILINE)
ROWS = [match.groupdict() for match in ROW.finditer((ROOT / "ARCHITECTURE.md").read_text())]


class Anything:
    """Has a name, however a registry asks for it, and a place among the others."""

    name = mode = kind = "added-by-a-test"
    rank = 99
    targets: tuple[str, ...] = ()
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
        *("STRATEGY", "COMBINER", "FAMILY", "TARGET", "STEP_KIND", "STEPLESS_KIND", "STATEMENT_KIND", "KIND"),
        *("PROTOCOL", "PAYLOAD", "MODE", "PROTECTION", "TASK"),
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
    """Anyone who asks for a mode asks `federation.protection`: to add one, nothing else changes."""
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


# --- nobody asks which task a job is of, nor which kind an order is ---

ASKING: Mapping[str, str] = {
    "federation/tasks": "the tasks themselves",
    "platform/training/engine/kinds": "the kinds themselves",
    "platform/training/models": "the choices and constraints of the database: see the migrations",
    "platform/training/launch/forms.py": "a form for each task that has one",
    "federation/protocol/documents/orders.py": "orders to countersign a head are a document of their own",
}
"""Where it is asked all the same, and why: who adds a task or a kind of order looks here."""
NAMES = set(TASKS)


def asks_for_tasks(source: str) -> Iterator[str]:
    """Where a program reports tasks or kinds of order apart: members of enumerations, names in comparisons and
    tables.
    """

    def names_one(node: ast.AST | None) -> bool:
        return any(isinstance(one, ast.Constant) and one.value in NAMES for one in ast.walk(node or ast.Pass()))

    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="OrderKind"), attr=member):
                yield f"{node.lineno}: OrderKind.{member}"
            case ast.Attribute(value=ast.Attribute(attr="Task")):
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.Compare() if names_one(node) and "asks_with" not in ast.unparse(node):
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.keyword(arg=str(name), value=value) if name.endswith(("task", "kind")) and names_one(value):
                yield f"{value.lineno}: {name}"
            case ast.Dict(keys=keys, values=values) if any(
                isinstance(key, ast.Constant) and str(key.value).endswith(("__task", "__kind")) and names_one(value)
                for key, value in zip(keys, values, strict=True)
            ):
                yield f"{node.lineno}: looked up by a task or a kind"
            case ast.Constant(value=str(text)) if "SELECT" in text and any(f"'{name}'" in text for name in NAMES):
                yield f"{node.lineno}: a statement that names a task or a kind"
            case ast.Dict(keys=keys) if len(NAMES & {one.value for one in keys if isinstance(one, ast.Constant)}) > 1:
                yield f"{node.lineno}: a table of tasks"
            case ast.Subscript(value=ast.Name(id="Literal")) if names_one(node) and "fit" not in source:
                yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.Tuple(elts=named) | ast.List(elts=named) | ast.Call(args=named):
                if len(NAMES & {one.value for one in named if isinstance(one, ast.Constant)}) > 2:
                    yield f"{node.lineno}: a list of tasks"
            case ast.Match(subject=subject) if ast.unparse(subject).endswith(("task", "kind")):
                yield f"{node.lineno}: a match of a task or a kind"


@pytest.mark.parametrize(
    "source",
    [
        "if job.task == 'train': pass",
        "if asked.task in ('evaluate', 'statistics'): pass",
        "jobs.filter(task='train')",
        "orders.filter(steps__orders__kind='train')",
        "kinds = {'train': 1, 'evaluate': 2}",
        "counted = {'jobs__task': 'train'}",
        "execute(\"SELECT id FROM training_order WHERE kind = 'train'\")",
        "Task = Literal['train', 'evaluate']",
        "choices('train', 'evaluate', 'statistics')",
        "if order.kind is OrderKind.TRAIN: pass",
        "match job.task:\n    case _: pass",
    ],
)
def test_the_search_finds_every_way_to_ask(source: str) -> None:
    assert list(asks_for_tasks(source))


def test_no_task_and_no_kind_of_order_is_asked_for_elsewhere() -> None:
    found: dict[str, list[str]] = {}
    for path in sorted(one for folder in ("federation", "platform") for one in (ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if "migrations" not in path.parts and (asking := list(asks_for_tasks(path.read_text()))):
            found[name] = asking
    allowed = {name for name in found if any(name == one or name.startswith(f"{one}/") for one in ASKING)}
    assert {name: asking for name, asking in found.items() if name not in allowed} == {}
    used = {one for one in ASKING if any(name == one or name.startswith(f"{one}/") for name in allowed)}
    assert used == set(ASKING), "what nobody needs any more is taken off the list"
