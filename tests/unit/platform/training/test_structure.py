"""What the engine's modules must keep to, read from their sources."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TRAINING = Path(__file__).parents[4] / "platform/training"
SOURCES = {
    file.relative_to(TRAINING).as_posix(): file.read_text()
    for file in TRAINING.rglob("*.py")
    if "migrations" not in file.parts
}


def test_every_statement_that_sets_a_state_takes_the_states_before_from_the_table() -> None:
    statements = []
    for name, source in SOURCES.items():
        for statement in re.findall(r'f?"""(?:(?!""").)*?UPDATE (?:(?!""").)*?"""', source, re.DOTALL):
            for part in re.split(r"(?=UPDATE training_)", statement)[1:]:
                if re.search(r"SET\s+state = ", part):
                    statements.append((name, part))
    assert len(statements) >= 8
    bare = [(name, part) for name, part in statements if "may_become(" not in part]
    assert bare == []


def test_no_state_of_an_order_a_step_or_a_round_is_set_but_by_the_table() -> None:
    assert len(SOURCES) > 60
    set_anyhow = [name for name, source in SOURCES.items() if re.search(r"\.update\(\s*state=", source)]
    assert set_anyhow == ["models/moving.py"]


def test_nobody_but_the_kinds_asks_which_kind_an_order_is_of() -> None:
    asking = []
    for name, source in SOURCES.items():
        if name.startswith("engine/kinds/"):
            continue
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Compare | ast.Match):
                reported = ast.unparse(node if isinstance(node, ast.Compare) else node.subject)
                if "OrderKind." in reported:
                    asking.append((name, reported))
    assert asking == []


def test_what_stands_below_the_engine_names_no_module_of_it() -> None:
    """Also not by a string that is imported later: import-linter would not see that."""
    naming = [
        name
        for name, source in SOURCES.items()
        if not name.startswith(("engine/", "reading/", "management/")) and '"training.engine' in source
    ]
    assert naming == []
