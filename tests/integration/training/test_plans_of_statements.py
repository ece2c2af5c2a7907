"""What is asked again and again is found by an index: the planner's own word, where tables are as good as empty."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from realtime import database
from tests.support.cohort import make_cohort, run_job
from training.engine.long_poll import accept_heartbeat
from training.engine.sql import housekeeping as statements

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


def plan_of(statement: str, parameters: dict[str, object] | None = None) -> str:
    """How it would be carried out if tables were never read whole."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")  # of few rows a sort costs the same: where there is none, none
    return "\n".join(line for (line,) in database.fetch(f"EXPLAIN {statement}", parameters or {}))


def test_a_heartbeat_finds_rejected_updates_by_their_index(blob_root: Path) -> None:
    cohort = make_cohort()
    run_job(cohort, rounds=1)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        accept_heartbeat(cohort.silo, {})
    (asked,) = [query["sql"] for query in queries if "ended_at" in query["sql"] and "ORDER BY" in query["sql"]]
    plan = plan_of(asked.replace("%", "%%"))
    assert "order_rejected" in plan
    assert "Sort" not in plan


def test_pruning_counts_by_its_index(blob_root: Path) -> None:
    run_job(make_cohort(), rounds=1)
    assert "version_kept_on_the_way" in plan_of(statements._PRUNABLE, {"kept": 20})
