"""The oldest PostgreSQL that the platform promises: its statements run there as they do on the newest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from demo.postgres_binaries import OTHER_INSTALLATION
from demo.services import ROOT, Services
from tests.support.fences import is_missing

OLDEST = 15
FOLDER = Path(os.environ.get("CONSILIENCE_POSTGRES_15", f"/usr/lib/postgresql/{OLDEST}"))
FILES = (
    "tests/integration/config/test_postgresql_15.py",
    "tests/integration/audit/test_chains.py",
    "tests/integration/training/test_absences.py",
    "tests/integration/training/test_deletion_races.py",
    "tests/integration/training/test_event_order.py",
    "tests/integration/training/test_nudges.py",
    "tests/integration/training/test_plans_of_statements.py",
    "tests/integration/training/test_retention.py",
    "tests/integration/training/test_rounds.py",
    "tests/integration/training/test_waiting.py",
    "tests/integration/silos/test_connector_api.py",
)
"""Every module of SQL in the platform is asked by one of these."""
KEPT = ("PATH", "HOME", "LANG", "CONSILIENCE_SHARED")
"""Of the environment: the run has services and settings of its own."""


@pytest.mark.django_db
def test_the_server_is_the_one_that_was_asked_for(services: Services) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        (version,) = cursor.fetchone()
    assert int(version) // 10_000 == services.postgres.major_version()
    assert services.postgres.major_version() == (OLDEST if OTHER_INSTALLATION in os.environ else 18)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_statements_run_on_the_oldest_postgresql_too() -> None:
    if not (FOLDER / "bin" / "initdb").exists():
        is_missing(
            "postgresql-15",
            f"no PostgreSQL {OLDEST} in {FOLDER}: apt-get install postgresql-{OLDEST}, or CONSILIENCE_POSTGRES_15",
        )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-rf", "-p", "no:cacheprovider", "-m", "not long", *FILES],
        cwd=ROOT,
        env={name: os.environ[name] for name in KEPT if name in os.environ} | {OTHER_INSTALLATION: str(FOLDER)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[:3000] + done.stdout[-3000:] + done.stderr[-2000:]
    assert "100%" in done.stdout
