"""`manage.py migrations_whole`: whether each change of a model has its migration."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState


class Command(BaseCommand):
    """Compare the models with the migrations, as `makemigrations --check` does, which waits for a database besides."""

    help = "Fail if a model has changed and no migration says so. Needs no database."

    def handle(self, *args: Any, **options: Any) -> None:
        """Name the changes that are missing."""
        written = MigrationLoader(None)
        if conflicts := written.detect_conflicts():
            raise CommandError(f"Two migrations follow the same one: {conflicts}")
        found = MigrationAutodetector(written.project_state(), ProjectState.from_apps(apps)).changes(written.graph)
        if missing := [
            f"{app}: {operation.describe()}"
            for app, migrations in sorted(found.items())
            for migration in migrations
            for operation in migration.operations
        ]:
            raise CommandError("Run makemigrations. No migration has these:\n" + "\n".join(missing))
