"""The tables of the trainer's memory, in numbered steps: ``PRAGMA user_version`` says how many a file has taken.

A step is one transaction together with its number: a file has taken it, or it has not. A step that landed is never
edited; another one is added. Files of 0.1 have no number, and the tables of step 1.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from federation.errors import Invalid

MIGRATIONS: Sequence[Sequence[str]] = (
    (
        """
        CREATE TABLE IF NOT EXISTS orders (
            order_id TEXT PRIMARY KEY,
            starts INTEGER NOT NULL DEFAULT 0,
            document BLOB,
            payload_digest TEXT,
            payload_size_bytes INTEGER,
            taken_at TEXT NOT NULL,
            done_at TEXT,
            CHECK ((document IS NULL) = (done_at IS NULL)),
            CHECK ((payload_digest IS NULL) = (payload_size_bytes IS NULL))
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS numbers (
            silo_id TEXT NOT NULL,
            number INTEGER NOT NULL,
            order_id TEXT NOT NULL,
            PRIMARY KEY (silo_id, number)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE IF NOT EXISTS registrations (
            name TEXT PRIMARY KEY,
            fingerprint TEXT NOT NULL,
            registered_at TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS journal_head (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            lines INTEGER NOT NULL,
            digest TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS jobs (
            job_id TEXT PRIMARY KEY,
            manifest_digest TEXT NOT NULL,
            agreement_digest TEXT NOT NULL,
            manifest BLOB NOT NULL,
            agreement BLOB NOT NULL,
            begun_at TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS allowed (
            order_id TEXT PRIMARY KEY,
            job_id TEXT NOT NULL REFERENCES jobs,
            kind TEXT NOT NULL,
            round INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            model_digest TEXT NOT NULL,
            allowed_at TEXT NOT NULL
        )
        """,
        "CREATE INDEX IF NOT EXISTS allowed_by_job ON allowed (job_id, round, attempt)",
        "CREATE INDEX IF NOT EXISTS allowed_by_moment ON allowed (allowed_at)",
    ),
    (  # what is old is forgotten (pruning.py): when an order was seen last, and what stands for what is gone
        "ALTER TABLE orders ADD COLUMN seen_at TEXT NOT NULL DEFAULT ''",
        "UPDATE orders SET seen_at = coalesce(done_at, taken_at)",
        "CREATE INDEX orders_by_moment ON orders (seen_at)",
        "CREATE INDEX numbers_by_order ON numbers (order_id)",
        "CREATE TABLE number_marks (silo_id TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID",
        """
        CREATE TABLE forgotten (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            before TEXT NOT NULL,
            jobs_until TEXT
        )
        """,
    ),
    (  # what was answered of statistics (statistics.py): by day and job, and each state that the rows were in
        """
        CREATE TABLE statistics_days (
            dataset TEXT NOT NULL,
            day TEXT NOT NULL,
            job_id TEXT NOT NULL,
            PRIMARY KEY (dataset, day, job_id)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE statistics_rows (
            dataset TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            rows INTEGER NOT NULL,
            answered_at TEXT NOT NULL,
            PRIMARY KEY (dataset, fingerprint)
        ) WITHOUT ROWID
        """,
    ),
    (  # any number of payloads by name, where there was one (ADR 53); a constraint can't be dropped, so a new table
        """
        CREATE TABLE answered (
            order_id TEXT PRIMARY KEY,
            starts INTEGER NOT NULL DEFAULT 0,
            document BLOB,
            payloads TEXT NOT NULL DEFAULT '[]',
            taken_at TEXT NOT NULL,
            done_at TEXT,
            seen_at TEXT NOT NULL DEFAULT '',
            CHECK ((document IS NULL) = (done_at IS NULL))
        )
        """,
        """
        INSERT INTO answered (order_id, starts, document, payloads, taken_at, done_at, seen_at)
        SELECT order_id, starts, document,
               CASE WHEN payload_digest IS NULL THEN '[]'
                    ELSE json_array(json_array('update', payload_digest, payload_size_bytes)) END,
               taken_at, done_at, seen_at
        FROM orders
        """,
        "DROP TABLE orders",
        "ALTER TABLE answered RENAME TO orders",
        "CREATE INDEX orders_by_moment ON orders (seen_at)",
    ),
    (  # a file is one source of statistics, by whatever names datasets are made of it
        """
        CREATE TABLE statistics_sources (
            key TEXT PRIMARY KEY,
            source TEXT NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX statistics_sources_by_source ON statistics_sources (source)",
        """
        INSERT INTO statistics_sources
        SELECT 'name:' || dataset, dataset FROM statistics_days
        UNION SELECT 'name:' || dataset, dataset FROM statistics_rows
        """,
        "ALTER TABLE statistics_days RENAME COLUMN dataset TO source",
        "ALTER TABLE statistics_rows RENAME COLUMN dataset TO source",
    ),
    (  # what was hidden in an answer stays hidden under an agreement that hides less; 0 where it was not noted
        "ALTER TABLE statistics_rows ADD COLUMN minimum_cell INTEGER NOT NULL DEFAULT 0",
    ),
)
VERSION = len(MIGRATIONS)


def migrate(database: sqlite3.Connection, file: Path | str, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Take the steps that a file has not taken yet. The connection is in autocommit mode.

    Raises Invalid ``trainer.state_newer`` for a file of a later version: it is left as it is.
    """
    while (done := _version(database, file, len(migrations))) < len(migrations):
        database.execute("BEGIN IMMEDIATE")
        try:
            if _version(database, file, len(migrations)) == done:  # else another process was quicker
                for statement in migrations[done]:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {done + 1}")
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise


def _version(database: sqlite3.Connection, file: Path | str, known: int) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > known:
        raise Invalid(
            "trainer.state_newer",
            f"{file} was written by a newer connector: its version is {version}, and this one knows {known}. Nothing "
            "was changed. Install the newer connector again; or stop, and put the backup back that was made before it.",
        )
    return int(version)
