"""`manage.py state_diagrams`: the diagrams of docs, made from the tables of transitions."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.transitions import SIGNATORY_KEY_TRANSITIONS
from agreements.transitions import TRANSITIONS as AGREEMENT
from consortia.transitions import PARTICIPATION_TRANSITIONS
from monitoring.transitions import TRANSITIONS as DELIVERY
from silos.transitions import TRANSITIONS as SILO
from training.transitions import JOB, ORDER, ROUND, STEP

TABLES: Mapping[str, Mapping[Any, Iterable[Any]]] = {
    "Job": JOB,
    "Round": ROUND,
    "Step of a round": STEP,
    "Order": ORDER,
    "Silo": SILO,
    "Participation of an organisation in a consortium": PARTICIPATION_TRANSITIONS,
    "Version of an agreement": AGREEMENT,
    "Signatory key": SIGNATORY_KEY_TRANSITIONS,
    "Delivery of a notice": DELIVERY,
}


class Command(BaseCommand):
    """Write the diagrams, or check that they are fresh."""

    help = "Write the state diagrams (Mermaid) to a file; with --check, fail if the file is stale."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The file, and whether only to look."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        text = "# States\n\nGenerated from the tables of transitions by `make diagrams`; don't edit.\n" + "".join(
            _diagram(title, table) for title, table in TABLES.items()
        )
        file: Path = options["file"]
        if not options["check"]:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            raise CommandError(f"{file} is stale: run make diagrams")


def _diagram(title: str, table: Mapping[Any, Iterable[Any]]) -> str:
    lines = [f"    {source} --> {target}" for source in table for target in sorted(map(str, table[source]))]
    reached = {str(target) for targets in table.values() for target in targets}
    first = [f"    [*] --> {state}" for state in table if str(state) not in reached]
    last = [f"    {state} --> [*]" for state in table if not list(table[state])]
    return f"\n## {title}\n\n```mermaid\nstateDiagram-v2\n" + "\n".join([*first, *lines, *last]) + "\n```\n"
