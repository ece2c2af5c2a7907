"""The rules of this code that no linter knows, checked on the source itself."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from enum import Enum
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.apps import apps
from django.conf import settings
from django.db.models import TextChoices
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.views import APIView

from demo.coordinator import NOTIFICATIONS, QUEUES
from rest.permissions import SESSION_ONLY
from tests.support.every import every

ROOT = Path(__file__).resolve().parents[2]
PLATFORM = ROOT / "platform"
OWN = ("platform", "federation", "silo_connector", "demo", "benchmarks", "tooling", "tests")
LINES_MAX = 400
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
APPS = sorted(folder.name for folder in PLATFORM.iterdir() if (folder / "__init__.py").exists())


MOVE_A_JOB = {"platform/training/states.py"} | {
    f"platform/training/engine/{name}.py"
    for name in ("answers", "control", "recall_orders", "rejections", "rounds", "start")
}
"""What moves a job says by whom, like every action."""


def modules(*folders: str) -> list[Path]:
    """Our source files below these folders; migrations are generated and don't count."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts)


def named(path: Path) -> str:
    """How a failure names a file."""
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    """The syntax of a file."""
    return ast.parse(path.read_text(), named(path))


# --- the layout -------------------------------------------------------------------------------------------------


def test_no_module_is_too_long() -> None:
    long = {named(path): lines for path in modules(*OWN) if (lines := len(path.read_text().splitlines())) > LINES_MAX}
    assert not long


def test_no_module_is_a_heap_of_odds_and_ends() -> None:
    heaps = {"utils", "helpers", "common", "misc"}
    assert not [named(path) for path in modules(*OWN) if heaps & {path.stem, path.parent.name}]


def test_the_source_root_of_the_platform_is_no_package() -> None:
    assert not (PLATFORM / "__init__.py").exists()
    assert len(APPS) >= 10, "the apps were not found: this test looks at nothing"


def test_nothing_in_the_source_root_hides_an_installed_module() -> None:
    taken = set(sys.stdlib_module_names)
    for package, distributions in metadata.packages_distributions().items():
        if any(name.lower() != "consilience" for name in distributions):
            taken.add(package)
    assert "django" in taken
    assert not taken & {path.stem for path in PLATFORM.iterdir()}


def test_the_places_that_name_the_source_root_agree() -> None:
    manage = re.search(r'ROOT / "(\w+)"', (ROOT / "manage.py").read_text())
    image = re.search(r"PYTHONPATH=(\S+)", (ROOT / "deploy" / "Dockerfile").read_text())
    assert manage is not None
    assert image is not None
    pytest_names = PYPROJECT["tool"]["pytest"]["ini_options"]["pythonpath"]
    mypy_names = PYPROJECT["tool"]["mypy"]["mypy_path"].split(":")
    assert [manage[1], "."] == pytest_names == mypy_names
    assert image[1].split(":") == ["/srv/consilience/platform", "/srv/consilience"]


def test_every_app_is_under_the_layers() -> None:
    importlinter = PYPROJECT["tool"]["importlinter"]
    assert set(importlinter["root_packages"]) == {*APPS, "federation", "silo_connector"}
    layers = next(one for one in importlinter["contracts"] if one["name"] == "The apps of the platform stand in layers")
    named_in_layers = {name for layer in layers["layers"] for name in re.split(r"[|: ]+", layer)}
    assert named_in_layers == set(APPS)


# --- writes -----------------------------------------------------------------------------------------------------


def action_files() -> list[Path]:
    """Modules that write: `actions.py`, those in `actions/`, the engine's, and those that say so at their begin."""
    return [
        path
        for path in modules("platform")
        if path.stem == "actions"
        or path.parent.name == "actions"
        or named(path) in MOVE_A_JOB
        or (ast.get_docstring(parsed(path)) or "").startswith("What is done to")
    ]


def writes(path: Path) -> bool:
    return path.stem != "__init__"


def test_every_action_says_by_whom() -> None:
    checked, wrong = 0, []
    for path in filter(writes, action_files()):
        for node in parsed(path).body:
            reads = ("check_", "is_", "authenticate_", "hold")  # check, find or lock; they write nothing
            if not isinstance(node, ast.FunctionDef) or node.name.startswith(("_", *reads)):
                continue
            checked += 1
            names = {argument.arg for argument in node.args.kwonlyargs}
            if "by" not in names or node.args.args or node.args.posonlyargs or node.args.vararg:
                wrong.append(f"{named(path)}:{node.name}")
    assert checked > 20
    assert not wrong, "actions take keyword-only arguments, among them `by`"


def test_rows_are_saved_field_by_field() -> None:
    wrong = []
    for path in modules("platform"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "save":
                keywords = {keyword.arg for keyword in node.keywords}
                if not node.args and not keywords & {"update_fields", "force_insert"}:
                    wrong.append(f"{named(path)}:{node.lineno}")
    assert not wrong, "save(update_fields=[…]), always"


def test_no_signals_are_received() -> None:
    signals = re.compile(
        r"\b(post_save|pre_save|post_delete|pre_delete|m2m_changed)\b(?!\()"
    )  # a field has a `pre_save()`
    assert not [named(path) for path in modules("platform") if signals.search(path.read_text())]


# --- doors ------------------------------------------------------------------------------------------------------


def views(patterns: list[URLPattern | URLResolver] | None = None, prefix: str = "") -> Iterator[tuple[str, type]]:
    """Every address with the class that answers it, where a class does."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        address = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from views(entry.url_patterns, address)
        else:
            for attribute in ("cls", "view_class"):
                if kind := getattr(entry.callback, attribute, None):
                    yield address, kind
                    break


def own_api_views() -> dict[str, type[APIView]]:
    """Our REST views by address; those of drf-spectacular check nobody's data."""
    return {
        address: kind
        for address, kind in views()
        if issubclass(kind, APIView) and kind.__module__.split(".")[0] in APPS
    }


def methods_of(view: type[APIView]) -> set[str]:
    """The HTTP methods that a view answers."""
    return {name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)}


def test_every_api_view_names_the_scope_of_each_method() -> None:
    found = own_api_views()
    assert len(found) > 10
    wrong = {}
    for address, view in every(found.items()):
        scopes: Mapping[str, str] = getattr(view, "scopes", {})
        if set(scopes) != methods_of(view):
            wrong[address] = (sorted(scopes), sorted(methods_of(view)))
        assert all(scope == SESSION_ONLY or ":" in scope for scope in scopes.values()), address
    assert not wrong


ASKS = re.compile(r"^(access_\w+|require|signed_in|signed_in_afresh|\w+_visible_to)$")


def test_every_api_view_asks_who_may() -> None:
    wrong = []
    for address, view in own_api_views().items():
        source = Path(str(sys.modules[view.__module__].__file__))
        kind = next(
            node for node in ast.walk(parsed(source)) if isinstance(node, ast.ClassDef) and node.name == view.__name__
        )
        for function in (node for node in kind.body if isinstance(node, ast.FunctionDef)):
            if function.name not in {"get", "post", "put", "patch", "delete", "get_queryset"}:
                continue
            called = {
                node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                for node in ast.walk(function)
                if isinstance(node, ast.Call)
            }
            if not any(ASKS.match(name) for name in called):
                wrong.append(f"{address} {function.name}")
    assert not wrong


def test_api_views_write_no_rows_themselves() -> None:
    orm_writes = {"save", "create", "bulk_create", "delete", "get_or_create", "update_or_create", "bulk_update"}
    wrong = []
    for view in own_api_views().values():
        for node in ast.walk(parsed(Path(str(sys.modules[view.__module__].__file__)))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in orm_writes:
                owner = ast.unparse(node.func.value)
                if "objects" in owner or node.func.attr in {"save", "delete"}:
                    wrong.append(f"{view.__module__}:{node.lineno}")
    assert not wrong


# --- states and tasks -------------------------------------------------------------------------------------------


def tables() -> Iterator[tuple[str, type[Enum], Mapping[Enum, frozenset[Enum]]]]:
    """Every table of transitions with the enumeration of its states."""
    for app in APPS:
        if not (PLATFORM / app / "transitions.py").exists():
            continue
        for name, value in vars(import_module(f"{app}.transitions")).items():
            kinds = {type(state) for state in value} if isinstance(value, Mapping) and value else set()
            if len(kinds) == 1 and issubclass(kind := kinds.pop(), TextChoices):
                yield f"{app}.transitions.{name}", kind, value


def test_every_state_has_its_row_in_a_table() -> None:
    found = {kind: (where, table) for where, kind, table in tables()}
    assert len(found) >= 5
    for kind, (where, table) in every(found.items()):
        assert set(table) == set(kind), where
        assert all(isinstance(allowed, frozenset) and allowed <= set(kind) for allowed in table.values()), where


def test_every_state_column_has_a_table() -> None:
    with_table = {frozenset(str(state.value) for state in kind) for _, kind, _ in tables()}
    without = [
        str(field)
        for model in apps.get_models()
        if model._meta.app_label in APPS
        for field in model._meta.get_fields()
        if getattr(field, "name", "") in {"state", "status"}
        and frozenset(str(value) for value, _ in getattr(field, "choices", None) or ()) not in with_table
    ]
    assert not without


def test_every_table_is_drawn() -> None:
    drawn = import_module("tooling.management.commands.state_diagrams").TABLES.values()
    assert not [where for where, _, table in tables() if not any(table is one for one in drawn)]


def test_every_dispatched_name_is_a_task() -> None:
    current_app.loader.import_default_modules()
    wrong, seen = [], 0
    for app in APPS:
        if (PLATFORM / app / "tasks.py").exists():
            import_module(f"{app}.tasks")
    for app in APPS:
        if (PLATFORM / app / "dispatch.py").exists():
            for name, value in vars(import_module(f"{app}.dispatch")).items():
                if name.isupper() and isinstance(value, str):
                    seen += 1
                    if value not in current_app.tasks:
                        wrong.append(value)
    assert seen > 0
    assert not wrong


def test_every_task_is_routed_to_a_queue_that_a_worker_takes() -> None:
    current_app.loader.import_default_modules()
    own = {name for name in current_app.tasks if not name.startswith("celery.")}
    routes: dict[str, dict[str, str]] = settings.CELERY_TASK_ROUTES
    assert own == set(routes)
    assert {route["queue"] for route in routes.values()} == {*QUEUES.split(","), NOTIFICATIONS}
    schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
    assert {entry["task"] for entry in schedule.values()} <= own
    assert all(entry["options"]["expires"] > 0 for entry in schedule.values())


def test_dispatch_imports_no_task() -> None:
    for path in every(PLATFORM.glob("*/dispatch.py")):
        assert not re.search(r"^\s*(from|import) .*tasks", path.read_text(), re.MULTILINE), named(path)


# --- randomness, pickles and torch ------------------------------------------------------------------------------

NO_CHANCE = ("federation/protocol", "federation/crypto", "federation/privacy", "federation/aggregation")
CHANCE = re.compile(
    r"\b(import random\b|from random import|np\.random|numpy\.random|torch\.(rand\w*|manual_seed|normal))"
)


def test_no_weak_randomness_near_keys_and_sums() -> None:
    files = modules(*NO_CHANCE, "platform")
    assert files
    assert not [named(path) for path in files if CHANCE.search(path.read_text())]


def imports(path: Path) -> Iterator[str]:
    """Modules that a file imports, wherever in it."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_no_module_pickles_anything() -> None:
    banned = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
    for path in every(modules("platform", "federation", "silo_connector", "demo")):
        assert not {name.split(".")[0] for name in imports(path)} & banned, named(path)
        assert "torch.load" not in path.read_text(), named(path)


def test_torch_is_imported_in_learning_and_in_the_runner_only() -> None:
    allowed = {ROOT / "federation" / "learning", ROOT / "federation" / "targets", ROOT / "silo_connector" / "runner"}
    for path in every(modules("platform", "federation", "silo_connector", "demo")):
        if not allowed & set(path.parents):
            assert not {name.split(".")[0] for name in imports(path)} & {"torch"}, named(path)


def loaded_after(statement: str) -> set[str]:
    """Top-level modules in a fresh process after one statement."""
    code = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    environment = {**os.environ, "PYTHONPATH": f"{PLATFORM}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import config.asgi", {"torch", "pyarrow", "sklearn", "silo_connector"}),
        (
            "import django; django.setup(); import config.celery; config.celery.app.loader.import_default_modules()",
            {"torch", "pyarrow", "sklearn", "silo_connector"},
        ),
        ("import silo_connector.relay.process", {"torch", "pyarrow", "sklearn", "django", "celery", "rest_framework"}),
        ("import silo_connector.trainer.process", {"aiohttp", "django", "celery", "rest_framework"}),
        (
            "import federation.aggregation.combine as c, federation.strategies as s; [*c.COMBINERS, *s.STRATEGIES]",
            {"torch", "django", "celery"},
        ),
    ],
    ids=["web", "worker", "relay", "trainer", "aggregation"],
)
def test_a_process_loads_only_what_is_its_own(statement: str, absent: set[str]) -> None:
    assert not loaded_after(statement) & absent
