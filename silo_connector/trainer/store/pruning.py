"""What the trainer's memory may forget, so that it does not grow for ever, and what stands for what is gone.

* An order is forgotten 62 days after it was seen last, with its number and its answer. No order lives longer than 31
  days and numbers only rise, so every number up to a forgotten one belongs to an order that is over: the highest of
  them is the mark, and an unknown number up to it is refused as used.
* Of a job's orders those of its last round stay, by which the next one is checked, as long as the job does.
* A job is forgotten 400 days after its last order. One that is unknown and was made before a forgotten one began is
  refused: it may be that one.

Time is the platform's word where that is behind our clock: a clock that is wrong for a day makes nothing old.
"""

# ruff: noqa: S608  (statements are put together from the constants below alone)
from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta

ORDERS_KEPT = timedelta(days=62)
"""Twice the longest life of an order."""
JOBS_KEPT = timedelta(days=400)
_SURE = timedelta(days=31)
"""The lines that the journal has of an order are written within so long after it was seen."""

_OLD_ORDERS = "SELECT order_id FROM orders WHERE seen_at < :orders"
_OLD_JOBS = """
    SELECT job_id FROM jobs WHERE begun_at < :jobs
    AND NOT EXISTS (SELECT 1 FROM allowed WHERE allowed.job_id = jobs.job_id AND allowed_at >= :jobs)
"""
_EARLIER_ROUNDS = """
    SELECT order_id FROM allowed WHERE allowed_at < :orders
    AND round < (SELECT max(round) FROM allowed AS other WHERE other.job_id = allowed.job_id)
"""


def as_text(moment: datetime) -> str:
    """A moment as it is kept, so that the order of texts is that of moments."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def delete_old(database: sqlite3.Connection, moment: datetime) -> int:
    """Forget what is old by this moment, within the caller's transaction; how many rows that were."""
    at = {"orders": as_text(moment - ORDERS_KEPT), "jobs": as_text(moment - JOBS_KEPT)}
    database.execute(
        f"""
        INSERT INTO number_marks SELECT silo_id, max(number) FROM numbers WHERE order_id IN ({_OLD_ORDERS})
        GROUP BY silo_id
        ON CONFLICT (silo_id) DO UPDATE SET number = max(number_marks.number, excluded.number)
        """,
        at,
    )
    (jobs_until,) = database.execute(f"SELECT max(begun_at) FROM jobs WHERE job_id IN ({_OLD_JOBS})", at).fetchone()
    rows = 0
    for statement in (
        f"DELETE FROM numbers WHERE order_id IN ({_OLD_ORDERS})",
        "DELETE FROM orders WHERE seen_at < :orders",
        f"DELETE FROM allowed WHERE order_id IN ({_EARLIER_ROUNDS}) OR job_id IN ({_OLD_JOBS})",
        f"DELETE FROM jobs WHERE job_id IN ({_OLD_JOBS})",
    ):
        rows += database.execute(statement, at).rowcount
    if rows:
        database.execute(
            """
            INSERT INTO forgotten VALUES (1, :before, :jobs_until) ON CONFLICT (id) DO UPDATE
            SET before = max(before, excluded.before), jobs_until = coalesce(
                max(jobs_until, excluded.jobs_until), jobs_until, excluded.jobs_until
            )
            """,
            {"before": as_text(moment - _SURE), "jobs_until": jobs_until},
        )
    return rows


def deleted_until(database: sqlite3.Connection) -> tuple[str | None, datetime | None]:
    """Until when lines of the journal may be about what was forgotten, and when the last forgotten job had begun."""
    row = database.execute("SELECT before, jobs_until FROM forgotten").fetchone()
    if row is None:
        return None, None
    return str(row[0]), None if row[1] is None else datetime.fromisoformat(row[1])


def mark(database: sqlite3.Connection, silo_id: str) -> int:
    """The highest number of a silo's orders that were forgotten; 0 where none was."""
    row = database.execute("SELECT number FROM number_marks WHERE silo_id = ?", (silo_id,)).fetchone()
    return 0 if row is None else int(row[0])
