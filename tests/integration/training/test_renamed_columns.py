"""What migrations that give tables and columns other names make of the rows that there were."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from tests.support.federation import TEST, make_federation
from training.engine import start
from training.launch.actions import launch

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]

NAMES = """
    SELECT conname::text FROM pg_constraint WHERE conname IN ('seat_once_a_silo', 'cohort_member_once_a_silo')
    UNION SELECT indexname || ' ' || indexdef FROM pg_indexes WHERE indexname = 'order_rejected'
"""


def asked(question: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(question)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found


def migrated_to(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    MigrationExecutor(connection).migrate([("training", name)])


def test_renaming_migrations_keep_rows_and_rename_constraint_and_index() -> None:
    federation = make_federation()
    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)

    migrated_to("0019_start_claims_and_kept_updates")
    members = asked("SELECT * FROM training_cohortseat ORDER BY id")
    orders = asked("SELECT id, settled_at, state FROM training_order ORDER BY id")
    steps = asked("SELECT id, below FROM training_step ORDER BY id")
    assert [len(rows) > 0 for rows in (members, orders, steps)] == [True] * 3
    assert "seat_once_a_silo" in {name for (name,) in asked(NAMES)}

    migrated_to("0021_names_of_columns")
    assert asked("SELECT * FROM training_cohortmember ORDER BY id") == members
    assert asked("SELECT id, ended_at, state FROM training_order ORDER BY id") == orders
    assert asked("SELECT id, below_quorum FROM training_step ORDER BY id") == steps
    first, second = sorted(name for (name,) in asked(NAMES))
    assert first == "cohort_member_once_a_silo"
    assert "ended_at" in second
