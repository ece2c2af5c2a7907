"""Kinds of order by name: the migration that takes their list from the models has nothing to do in the database."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import CharField

from training.models import Job, Order, Step

pytestmark = pytest.mark.django_db
KINDS = ("training", "0023_kinds_by_name")


def test_the_migration_runs_no_statement() -> None:
    executor = MigrationExecutor(connection)
    before = executor.loader.project_state([("training", "0022_inputs_of_orders")])
    with connection.schema_editor(collect_sql=True) as editor:
        executor.loader.get_migration(*KINDS).apply(before, editor, collect_sql=True)
    assert [line for line in editor.collected_sql if not line.startswith("--")] == []


def test_the_models_list_no_kinds_and_no_tasks() -> None:
    for model, name in ((Order, "kind"), (Step, "kind"), (Job, "task")):
        field = model._meta.get_field(name)
        assert isinstance(field, CharField)
        assert not field.choices, "else each that is added needs a migration"
