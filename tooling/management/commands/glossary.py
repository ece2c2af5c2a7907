"""`manage.py glossary`: the words of the field as a file of docs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dashboards.glossary import markdown


class Command(BaseCommand):
    """Write the glossary, or check that it is fresh."""

    help = "Write the glossary (Markdown) to a file; with --check, fail if the file is stale."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The file, and whether only to check it."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        file: Path = options["file"]
        if not options["check"]:
            file.write_text(markdown())
        elif not file.exists() or file.read_text() != markdown():
            raise CommandError(f"{file} is stale: run make diagrams")
