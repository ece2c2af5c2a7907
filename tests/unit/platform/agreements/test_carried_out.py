"""Every term of an agreement has code that carries it out, an event that says so, and a test."""

from __future__ import annotations

import ast
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest

from agreements import explanations
from agreements.carried_out import TERMS, CarriedOut, carried_out, codes_of_use, leaves
from audit.event_labels import EVENT_LABELS
from audit.reasons import MEANINGS
from federation.agreements.rules import RULES
from federation.protocol.documents.purposes import Modifier, Permission
from federation.statistics.disclosure import MINIMUM_CELL_LEAST
from tests.support.every import every

ROOT = Path(__file__).parents[4]
ENTRIES = {**{term: carried_out(term) for term in TERMS}, **codes_of_use()}
DONE = {name: entry for name, entry in ENTRIES.items() if name != "notes"}


def test_every_term_has_its_entry_and_none_is_left_of_a_term_that_went() -> None:
    terms = list(leaves())
    assert {carried_out(term) is not None for term in terms} == {True}
    assert {term for term in terms if not term.startswith("datasets.use.")} == set(TERMS)
    permissions, modifiers = get_args(Permission), [one for kind in get_args(Modifier) for one in get_args(kind)]
    assert list(codes_of_use()) == [*permissions, *modifiers]


@pytest.mark.parametrize("entry", [pytest.param(entry, id=name) for name, entry in DONE.items()])
def test_what_an_entry_names_is_there(entry: CarriedOut) -> None:
    assert entry.code
    for path in every(entry.code):
        assert callable(found(path)), path
    assert entry.events
    assert set(entry.events) <= set(EVENT_LABELS)
    for code in entry.answered:
        assert code in RULES or any(f'"{code}"' in text for text in sources()), code
    file, _, name = entry.test.partition("::")
    assert name in names_in(file), entry.test


def found(path: str) -> Any:
    """What a dotted path names: a module as far as there are modules, attributes from there on."""
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            value: Any = import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            value = getattr(value, part)
        return value
    raise AssertionError(path)


@cache
def sources() -> tuple[str, ...]:
    """The text of what checks and carries out."""
    folders = (
        "platform/registry",
        "platform/agreements",
        "platform/training",
        "silo_connector/trainer",
        "federation/agreements",
    )
    return tuple(file.read_text() for folder in folders for file in (ROOT / folder).rglob("*.py") if not skip(file))


def skip(file: Path) -> bool:
    """The table itself names codes; that is no proof of them."""
    return file.name == "carried_out.py"


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of a file's tests."""
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_the_form_shows_the_least_minimum_cell_of_statistics() -> None:
    assert f"Statistics need {MINIMUM_CELL_LEAST} at least." in explanations.TERMS["disclosure.minimum_cell"].help
    assert f"of {MINIMUM_CELL_LEAST} at least" in MEANINGS["statistics.minimum_cell_least"]
