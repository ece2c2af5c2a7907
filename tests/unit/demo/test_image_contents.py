"""What the platform's image takes in: what production runs, and nothing that only a checkout needs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from django.conf import settings

from demo.services import ROOT
from tests.support.every import every
from tooling import settings as of_a_checkout

PLATFORM_TAKES = {
    "deploy/locks/platform.txt",
    "manage.py",
    "federation",
    "platform",
    "templates",
    "static",
    "locale",
}
COMMANDS = {
    "create_administrator",
    "migrate_and_grant",
    "reset_second_factor",
    "restored",
    "rotate_platform_key",
    "verify_audit",
}
"""What an operator runs on a platform."""
OF_A_CHECKOUT = {"babel", "benchmarks", "demo", "tests", "tooling"}


def taken_by(dockerfile: str) -> set[str]:
    """What the COPY and ADD lines name, from outside of the image."""
    lines = re.findall(r"^(?:COPY|ADD) +(.*)$", (ROOT / dockerfile).read_text(), re.MULTILINE)
    words = [[word for word in line.split() if not word.startswith("--")] for line in lines if "--from=" not in line]
    return {name for line in words for name in line[:-1]}


def python_in(taken: set[str]) -> list[Path]:
    return [
        path
        for name in sorted(taken)
        for path in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*.py"))
        if path.suffix == ".py"
    ]


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_the_platform_s_image_takes_in_what_production_needs_and_no_more() -> None:
    assert taken_by("deploy/Dockerfile") == PLATFORM_TAKES
    assert OF_A_CHECKOUT - {"babel"} <= set((ROOT / ".dockerignore").read_text().split())


def test_its_commands_are_those_of_an_operator() -> None:
    found = {path.stem for path in (ROOT / "platform").glob("*/management/commands/*.py")}
    assert found - {"__init__"} == COMMANDS


def test_nothing_in_an_image_imports_what_only_a_checkout_has() -> None:
    taken = taken_by("deploy/Dockerfile") | taken_by("silo_connector/Dockerfile")
    assert {"federation", "platform", "silo_connector"} <= taken
    for path in every(python_in(taken)):
        assert not imports_of(path) & OF_A_CHECKOUT, path.relative_to(ROOT)


def test_no_lock_of_an_image_has_babel_and_production_has_no_app_of_a_checkout() -> None:
    for lock in every(sorted((ROOT / "deploy" / "locks").glob("*.txt"))):
        assert not re.search(r"^babel==", lock.read_text(), re.MULTILINE | re.IGNORECASE), lock.name
    assert not OF_A_CHECKOUT & set(settings.INSTALLED_APPS)
    assert set(of_a_checkout.INSTALLED_APPS) - set(settings.INSTALLED_APPS) == {"benchmarks", "demo", "tooling"}
