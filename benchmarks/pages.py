"""How long the server takes over every page on a platform that is full: 30 consortia, 500 jobs, one of 500 rounds.

Each page is asked for through Django's whole stack with a person signed in; the median of several answers counts, and
the queries and bytes of one. To hold: every page within 300 ms and 30 queries; downloads are only measured. The last
line is JSON; the exit code is 1 where a page does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.addresses import DOWNLOADS, STRANGERS, paths
from benchmarks.stack import QUIET
from demo.coordinator import TOOLING, Coordinator
from demo.home import Home
from demo.services import PYTHONPATH, ROOT, Services, temporary_folder

if TYPE_CHECKING:
    from django.test import Client

TIMES = 7
LIMIT_MS = 300
QUERIES_MAX = 30
DECLARATION = ROOT / "silo_connector" / "examples" / "heart-disease.toml"


def measure(ids: dict[str, Any], only: list[str]) -> dict[str, dict[str, float]]:
    """Ask for each page so many times."""
    from django.test import Client

    from accounts.models import User

    reader, stranger = Client(headers={"host": "localhost"}), Client(headers={"host": "localhost"})
    reader.force_login(User.objects.get(id=ids["user"]))
    reader.get("/")  # what only a process's first request costs
    figures: dict[str, dict[str, float]] = {}
    wanted = [name for name in paths(ids) if not only or any(name.startswith(one) for one in only)]
    for name in wanted:
        figures[name] = _measured(stranger if name in STRANGERS else reader, paths(ids)[name])
        print(f"{name:26}{figures[name]}", file=sys.stderr)
    return figures


def _measured(client: Client, path: str) -> dict[str, float]:
    """One page: its queries and bytes once, then the median of its times."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as asked:
        size = _answered(client, path)
        queries = len(asked)  # now: the next request forgets them
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        _answered(client, path)
        times.append(1000 * (time.perf_counter() - began))
    return {"median_ms": round(statistics.median(times), 1), "queries": queries, "kbytes": round(size / 1000, 1)}


def _answered(client: Client, path: str) -> int:
    """Ask, and say how many bytes came."""
    answer = client.get(path)
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answers {answer.status_code}")
    return sum(map(len, answer)) if answer.streaming else len(answer.content)


def breaches(figures: dict[str, dict[str, float]]) -> list[str]:
    """The pages that are too slow or ask too much."""
    return [
        name
        for name, one in figures.items()
        if one["queries"] >= QUERIES_MAX or (one["median_ms"] >= LIMIT_MS and name not in DOWNLOADS)
    ]


def run(folder: Path, only: list[str]) -> int:
    """Services, seed, measure."""
    services = Services(folder)
    home = Home(folder)
    home.logs.mkdir(parents=True, exist_ok=True)
    coordinator = Coordinator(home, services, 0, {"LOG_LEVEL": "WARNING"})
    coordinator.start_services()
    try:
        coordinator.migrate()
        began = time.monotonic()
        ids = json.loads(coordinator.manage("bench_seed", str(DECLARATION), *TOOLING, timeout_s=300))
        print(f"seeded in {time.monotonic() - began:.0f} s", file=sys.stderr)
        os.environ.update({**coordinator.environment(), **QUIET})
        sys.path[:0] = PYTHONPATH.split(os.pathsep)
        import django

        django.setup()
        from django.db import connections

        try:
            # as their owner: PostgreSQL passes over the tables of others, with no more than a warning
            with psycopg.connect(services.postgres.url(), autocommit=True) as owner:
                owner.execute("ANALYZE")
            figures = measure(ids, only)
        finally:
            connections.close_all()
    finally:
        services.stop()
    wrong = breaches(figures)
    if wrong:
        print(f"more than {LIMIT_MS} ms or {QUERIES_MAX} queries: {', '.join(wrong)}", file=sys.stderr)
    print(json.dumps({"pages": figures}))
    return 1 if wrong else 0


def main() -> int:
    """Measure, and print the figures as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="pages whose names begin so")
    asked = parser.parse_args()
    folder = temporary_folder("pages")
    try:
        return run(folder, asked.only)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
