"""What the migration to one table of orders, and to leases on steps, makes of the rows that there were."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

pytestmark = pytest.mark.django_db

migration = import_module("training.migrations.0009_move_rows")

# The tables as they were between the two migrations, as far as the statements name their columns. Those of a session
# come before all others.
TABLES = """
    CREATE TEMP TABLE training_round (id int, job_id int, base_version_id int, state text, opened_at timestamptz,
        aggregating_at timestamptz, closed_at timestamptz, close_reason text, lease int, lease_until timestamptz,
        claims int);
    CREATE TEMP TABLE training_step (id int, round_id int, state text, opened_at timestamptz,
        aggregating_at timestamptz, closed_at timestamptz, close_reason text, lease int, lease_until timestamptz,
        claims int);
    CREATE TEMP TABLE training_order (id int, step_id int, job_id int, base_version_id int, audit_checkpoint_id int,
        silo_id int, kind text, number int, state text, code text, message text, clause text, envelope text,
        issued_at timestamptz, expires_at timestamptz, answered_at timestamptz, settled_at timestamptz, awaited bool);
    CREATE TEMP TABLE training_checkpointorder (id int, silo_id int, checkpoint_id int, number int, envelope text,
        issued_at timestamptz, expires_at timestamptz, answered_at timestamptz, code text, refusal text);
    CREATE TEMP TABLE training_refusaldocument (order_id int, document text, received_at timestamptz);
    INSERT INTO training_round VALUES
        (1, 7, 70, 'closed', '2026-01-01', '2026-01-02', '2026-01-03', 'settled', NULL, NULL, 1),
        (2, 7, 71, 'aggregating', '2026-01-03', '2026-01-04', NULL, 'quorum', 9, '2026-01-05', 2),
        (3, 8, 80, 'collecting', '2026-01-03', NULL, NULL, '', NULL, NULL, 0),
        (4, 8, 80, 'abandoned', '2026-01-01', NULL, '2026-01-02', '', NULL, NULL, 0);
    INSERT INTO training_step (id, round_id, state) VALUES (11, 1, 'collecting'), (12, 2, 'collecting'),
        (13, 3, 'collecting'), (14, 4, 'collecting');
    INSERT INTO training_order (id, step_id, kind, state) VALUES (21, 11, 'train', 'applied'),
        (22, 13, 'train', 'issued');
    INSERT INTO training_checkpointorder VALUES
        (31, 5, 50, 1, 'signed', '2026-01-01', '2026-01-02', '2026-01-01 12:00', '', NULL),
        (32, 5, 51, 2, 'refused', '2026-01-01', '2026-01-02', '2026-01-01 12:00', 'checkpoint.forked', 'why'),
        (33, 6, 50, 3, 'lapsed', '2026-01-01', '2026-01-02', NULL, '', NULL),
        (34, 6, 51, 4, 'open', '2026-01-01', '2999-01-02', NULL, '', NULL);
"""


@pytest.fixture
def rows() -> Iterator[Any]:
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        for statement in (migration.STEPS, migration.ORDERS, migration.CHECKPOINTS, migration.REFUSALS):
            cursor.execute(statement)

        def ask(question: str) -> list[tuple[Any, ...]]:
            cursor.execute(question)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

        yield ask


def test_a_round_s_state_lease_and_claims_stand_on_its_step(rows: Any) -> None:
    assert rows("SELECT id, state, claims, lease, close_reason FROM training_step ORDER BY id") == [
        (11, "closed", 1, None, "settled"),
        (12, "aggregating", 2, 9, "quorum"),
        (13, "collecting", 0, None, ""),
        (14, "abandoned", 0, None, ""),
    ]
    assert rows("SELECT count(*) FROM training_step WHERE opened_at IS NULL") == [(0,)]


def test_orders_know_their_job_and_the_model_that_they_are_about(rows: Any) -> None:
    reported = rows("SELECT id, job_id, base_version_id FROM training_order WHERE step_id IS NOT NULL ORDER BY id")
    assert reported == [(21, 7, 70), (22, 8, 80)]


def test_the_orders_of_the_audit_log_are_among_the_others_with_what_became_of_them(rows: Any) -> None:
    reported = rows(
        "SELECT id, kind, audit_checkpoint_id, number, state, code, settled_at IS NOT NULL FROM training_order "
        "WHERE step_id IS NULL ORDER BY id"
    )
    assert reported == [
        (31, "checkpoint", 50, 1, "submitted", "", True),
        (32, "checkpoint", 51, 2, "refused", "checkpoint.forked", True),
        (33, "checkpoint", 50, 3, "expired", "", True),
        (34, "checkpoint", 51, 4, "issued", "", False),
    ]
    assert rows("SELECT order_id, document FROM training_refusaldocument") == [(32, "why")]
