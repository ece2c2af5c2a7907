"""`manage.py messages`: what is to be translated, and into the files that the pages read."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tooling import po_files
from tooling.i18n_extract import collected
from tooling.po_files import Key


class Command(BaseCommand):
    """Write the files of every language again, or check that they are whole and fresh."""

    help = "Collect marked strings into locale/*/LC_MESSAGES/django.po and compile them; with --check, only look."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether only to look."""
        parser.add_argument("--check", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it for every language but the one that the strings are written in."""
        keys = collected(Path(settings.ROOT))
        for language, _ in settings.LANGUAGES:
            if language != settings.LANGUAGE_CODE:
                self._one(language, keys, check=options["check"])

    def _one(self, language: str, keys: list[Key], *, check: bool) -> None:
        po = Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / "django.po"
        mo = po.with_suffix(".mo")
        wanted = po_files.translations(language, keys, po_files.read(po))
        text, compiled = po_files.po_bytes(wanted), po_files.mo_bytes(wanted)
        if not check:
            po.parent.mkdir(parents=True, exist_ok=True)
            po.write_bytes(text)
            mo.write_bytes(compiled)
        lacking = po_files.missing(wanted)
        for key in lacking:
            self.stderr.write(f"{language}: {key if isinstance(key, str) else key[0]}")
        if check and (lacking or not po.exists() or po.read_bytes() != text):
            raise CommandError(f"{po} is not whole: run make messages, and translate what is empty or named above.")
        if check and (not mo.exists() or mo.read_bytes() != compiled):
            raise CommandError(f"{mo} is stale: run make messages.")
