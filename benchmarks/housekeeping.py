"""How long each duty of the housekeeping takes on a platform with 10,000 models and their versions.

The rows are made up (`synthetic_jobs`), on a real PostgreSQL. Each duty runs twice: `first` finds everything to be
done, `again` finds nothing, as it does once a minute for years. Of each are reported seconds, statements, rows read by
PostgreSQL (of tables, and through indexes) and rows changed. The last line is JSON; the exit code is 1 where a duty
that finds nothing takes longer than it may.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.pages import DECLARATION
from benchmarks.stack import QUIET
from demo.coordinator import TOOLING, Coordinator
from demo.home import Home
from demo.services import PYTHONPATH, Services, temporary_folder

MODELS, ROUNDS = 10_000, 2
AGAIN_MAX_S = 1.0
"""A duty runs every minute beside rounds: with nothing to do it may take so long."""
ORPHANED_FILES = "training.tasks.delete_orphaned_files"
"""It has an hour of its own, and is measured like the others."""
AGES = (
    ("UPDATE agreements_agreementversion SET terms = jsonb_set(jsonb_set(terms, '{amendment,on_leaving}', "
     "'\"models_retired\"'), '{retention,models_days}', '3650') WHERE id = %(agreement)s"),
    "UPDATE registry_model SET agreement_id = %(agreement)s WHERE consortium_id = %(consortium)s",
    "UPDATE training_job SET agreement_id = %(agreement)s WHERE consortium_id = %(consortium)s",
    # made-up manifests can't be read: what is measured is how those without a passport are found
    "INSERT INTO registry_passport (version_id, document, issued_at) SELECT id, '{}', now() FROM registry_modelversion",
)  # fmt: skip
"""All models are under one agreement, which says what is to become of them."""
READ = """
    SELECT COALESCE(sum(seq_tup_read), 0), COALESCE(sum(idx_tup_fetch), 0),
           COALESCE(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)
    FROM pg_stat_user_tables
"""


def seed(ids: dict[str, Any], models: int) -> None:
    """So many trained models of ended jobs, each with its first version and one for each round."""
    from django.utils import timezone

    from accounts.models import User
    from audit.models import Event
    from benchmarks.synthetic_jobs import Played, Rows, write_all
    from consortia.models import Consortium
    from silos.models import Dataset
    from training.transitions import JobState

    class WithoutEvents(Rows):
        """Events that nobody has chained would be the work of one duty, before it comes to its own."""

        def write(self) -> None:
            self.kept[Event].clear()
            super().write()

    consortium, user = Consortium.objects.get(id=ids["consortium"]), User.objects.get(id=ids["user"])
    members = consortium.participations.values("organisation")
    datasets = list(Dataset.objects.filter(silo__organisation__in=members).select_related("silo")[:3])
    rows = WithoutEvents()
    for one in datasets:
        rows.numbers[one.silo_id] = 1_000_000  # above those that the pages' seed has used
    begun = timezone.now() - timedelta(days=30)
    jobs = (
        Played(
            consortium=consortium,
            name=f"Model {place}",
            by=user,
            datasets=datasets,
            rounds=ROUNDS,
            state=JobState.COMPLETED,
            begun=begun + timedelta(seconds=place),
        )
        for place in range(models)
    )
    write_all(jobs, rows)


class Counted:
    """What one duty asked of the database."""

    def __init__(self) -> None:
        self.statements = 0

    def run(self, duty: Callable[[], object]) -> dict[str, float]:
        """Its seconds, its statements, and the rows that PostgreSQL read and changed for it."""
        from django.db import connection

        from realtime import database

        fetch = database.fetch

        def counting(statement: str, parameters: Any) -> list[tuple[Any, ...]]:
            self.statements += 1
            return fetch(statement, parameters)

        def wrapper(execute: Any, *asked: Any) -> Any:
            self.statements += 1
            return execute(*asked)

        before = self._rows()
        database.fetch = counting
        try:
            with connection.execute_wrapper(wrapper):
                began = time.perf_counter()
                duty()
                took_s = time.perf_counter() - began
        finally:
            database.fetch = fetch
        scanned, indexed, changed = (int(new - old) for new, old in zip(self._rows(), before, strict=True))
        return {
            "s": round(took_s, 3),
            "statements": self.statements,
            "rows_scanned": scanned,
            "rows_by_index": indexed,
            "rows_changed": changed,
        }

    @staticmethod
    def _rows() -> tuple[int, ...]:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(READ)
            return tuple(map(int, cursor.fetchone()))


def measure() -> dict[str, dict[str, dict[str, float]]]:
    """Run each duty as a worker does, then once more."""
    from celery import current_app
    from django.conf import settings

    from audit import chaining

    current_app.loader.import_default_modules()
    figures: dict[str, dict[str, dict[str, float]]] = {}
    for pass_ in ("first", "again"):
        while pass_ == "again" and chaining.chain_new():
            pass  # the events of the first pass: a sweep chains some every other second
        for name in (*settings.HOUSEKEEPING_DUTIES, ORPHANED_FILES):
            short = name.rpartition(".")[2]
            figures.setdefault(short, {})[pass_] = Counted().run(current_app.tasks[name])
            print(f"{pass_:6}{short:34}{figures[short][pass_]}", file=sys.stderr)
    return figures


def run(folder: Path, models: int) -> int:
    """Services, seed, measure."""
    services, home = Services(folder), Home(folder)
    home.logs.mkdir(parents=True, exist_ok=True)
    coordinator = Coordinator(home, services, 0, {"LOG_LEVEL": "WARNING"})
    coordinator.start_services()
    try:
        coordinator.migrate()
        few = ["--consortia", "2", "--jobs", "2", "--rounds", "2", "--silos", "4"]
        ids = json.loads(coordinator.manage("bench_seed", str(DECLARATION), *few, *TOOLING, timeout_s=300))
        os.environ.update({**coordinator.environment(with_signing_key=True), **QUIET})
        sys.path[:0] = PYTHONPATH.split(os.pathsep)
        import django

        django.setup()
        from django.db import connections

        try:
            began = time.monotonic()
            seed(ids, models)
            # as their owner: PostgreSQL passes over the tables of others, with no more than a warning
            with psycopg.connect(services.postgres.url(), autocommit=True) as owner:
                for statement in AGES:
                    owner.execute(statement, ids)
                owner.execute("VACUUM ANALYZE")
            print(f"seeded {models} models in {time.monotonic() - began:.0f} s", file=sys.stderr)
            figures = measure()
        finally:
            connections.close_all()
    finally:
        services.stop()
    slow = [name for name, one in figures.items() if one["again"]["s"] > AGAIN_MAX_S]
    if slow:
        print(f"more than {AGAIN_MAX_S:g} s with nothing to do: {', '.join(slow)}", file=sys.stderr)
    print(json.dumps({"models": models, "duties": figures}))
    return 1 if slow else 0


def main() -> int:
    """Measure, and print the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=MODELS)
    asked = parser.parse_args()
    folder = temporary_folder("housekeeping")
    try:
        return run(folder, asked.models)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
