"""`manage.py messages`: what is to be translated, and into the files that the pages read."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dashboards.management import catalogue
from dashboards.management.marked import marked


class Command(BaseCommand):
    """Write the files of every language anew, or check that they are whole and fresh."""

    help = "Collect marked strings into locale/*/LC_MESSAGES/django.po and compile them; with --check, only look."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether only to look."""
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it for every language but the one that the strings are written in."""
        messages = list(dict.fromkeys(one for one in marked(Path(settings.ROOT)) if one.text))
        for language, _ in settings.LANGUAGES:
            if language != settings.LANGUAGE_CODE:
                self._one(language, messages, check=options["check"])

    def _one(self, language: str, messages: list[catalogue.Message], *, check: bool) -> None:
        po = Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / "django.po"
        mo = po.with_suffix(".mo")
        known = catalogue.read(po)
        if not check:
            catalogue.write(po, messages, known, catalogue.PLURAL)
            known = catalogue.read(po)
            mo.write_bytes(catalogue.compiled(language, known, catalogue.PLURAL))
        lacking = catalogue.missing(messages, known)
        for message in lacking:
            self.stderr.write(f"{language}: {message.text}")
        if check and (lacking or set(known) != set(messages)):
            raise CommandError(f"{po} is not whole: run make messages, and translate what is empty or named above.")
        if check and (not mo.exists() or mo.read_bytes() != catalogue.compiled(language, known, catalogue.PLURAL)):
            raise CommandError(f"{mo} is stale: run make messages.")
