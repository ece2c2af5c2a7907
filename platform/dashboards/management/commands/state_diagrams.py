"""Draws the tables of transitions as Mermaid diagrams, so that documents can't differ from the code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import TextChoices

Table = Mapping[TextChoices, frozenset[TextChoices]]
HEAD = "# States\n\nGenerated from the tables in the code by `make diagrams`; not edited by hand.\n"


def tables() -> Iterator[tuple[str, type[TextChoices], Table]]:
    """Every table of transitions: where it is, its states, and which may follow which."""
    for app in sorted(apps.get_app_configs(), key=lambda config: config.name):
        name = f"{app.name}.transitions"
        if find_spec(name) is None:
            continue
        for attribute, value in sorted(vars(import_module(name)).items()):
            states = {type(state) for state in value} if isinstance(value, Mapping) and value else set()
            if len(states) == 1 and issubclass(kind := states.pop(), TextChoices):
                yield f"{name}.{attribute}", kind, value


def draw(where: str, states: type[TextChoices], table: Table) -> str:
    """One table as a section with a diagram."""
    begin = next(iter(states))
    lines = [f"\n## {states.__name__}\n", f"{(states.__doc__ or '').strip()} (`{where}`)\n"]
    lines += ["```mermaid", "stateDiagram-v2", f"    [*] --> {begin.value}"]
    for state in states:
        allowed = table.get(state, frozenset())
        lines += [f"    {state.value} --> {then.value}" for then in states if then in allowed]
        lines += [] if allowed else [f"    {state.value} --> [*]"]
    return "\n".join([*lines, "```", ""])


class Command(BaseCommand):
    """Write the diagrams, or say whether the written ones are stale."""

    help = __doc__ or ""
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, and whether only to compare."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--check", action="store_true", help="write nothing; fail when the file is stale")

    def handle(self, *_args: Any, file: Path, check: bool, **_options: Any) -> None:
        """Draw all, then write or compare."""
        drawn = HEAD + "".join(draw(*table) for table in tables())
        if not check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(drawn)
        elif not file.exists() or file.read_text() != drawn:
            raise CommandError(f"{file} is stale: run `make diagrams`.")
