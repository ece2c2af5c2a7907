"""The database's schema, by the role that owns it, and what the role of web and workers may do with it."""

from __future__ import annotations

from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.grants import CannotGrant, grant


class Command(BaseCommand):
    """Migrate, then grant. Safe to run again and again: each start of the platform does."""

    help = "Migrate the database as its owner, and grant another role what web and workers need."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whom to grant."""
        parser.add_argument("role", help="the role under which web and workers run")
        parser.add_argument("--password-file", help="holds its password; a role that is missing is made with it")

    def handle(self, *args: object, **options: str | None) -> None:
        """Migrations first: what is new is granted too."""
        path = options["password_file"]
        try:
            password = Path(path).read_text().strip() if path else None
        except OSError as error:
            raise CommandError(f"{path} can't be read: {error.strerror}.") from error
        call_command("migrate", interactive=False, stdout=self.stdout)
        try:
            grant(str(options["role"]), password=password)
        except CannotGrant as error:
            raise CommandError(str(error)) from error
