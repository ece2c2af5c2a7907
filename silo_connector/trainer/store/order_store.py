"""What the trainer remembers over crashes: which orders it has taken, and what it answered. SQLite, synced."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from federation.errors import Invalid
from federation.protocol.documents import now
from silo_connector.journal import Head
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.jobs import Jobs

FILE = "trainer.sqlite"
_SCHEMA = """
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
);
CREATE TABLE IF NOT EXISTS numbers (
    silo_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    PRIMARY KEY (silo_id, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS registrations (
    name TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    registered_at TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS journal_head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    lines INTEGER NOT NULL,
    digest TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class Outcome:
    """What was answered to an order, for ever: the sealed document and what file goes with it."""

    order_id: str
    document: bytes
    payload_digest: str | None = None
    payload_size_bytes: int | None = None


class Memory:
    """One connection, used by one thread."""

    def __init__(self, state: Path | None) -> None:
        """What is kept in this folder; an empty one that is kept nowhere for None.

        Raises Invalid ``trainer.state_unreadable`` for a file that is no database of SQLite.
        """
        file = ":memory:" if state is None else state / FILE
        try:
            self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise Invalid(
                "trainer.state_unreadable",
                f"{file} can't be opened ({error}). Stop the trainer and put the newest backup back. If there is none, "
                "move the file away, and confirm what was lost: silo-connector accept-state.",
            ) from error
        self.jobs = Jobs(self._database)

    def outcome(self, order_id: str) -> Outcome | None:
        """What was answered to an order, if it was."""
        row = self._database.execute(
            "SELECT document, payload_digest, payload_size_bytes FROM orders "
            "WHERE order_id = ? AND document IS NOT NULL",
            (order_id,),
        ).fetchone()
        return None if row is None else Outcome(order_id, *row)

    def take(self, order_id: str, silo_id: str, number: int) -> int:
        """Take an order before anything is done for it; how often it has been started by now.

        Raises Refused ``order.number_reused`` when the number belongs to another order.
        """
        with self._transaction():
            self._database.execute(
                "INSERT INTO orders (order_id, starts, taken_at) VALUES (?, 1, ?) "
                "ON CONFLICT (order_id) DO UPDATE SET starts = starts + 1",
                (order_id, now().isoformat()),
            )
            self._database.execute(
                "INSERT INTO numbers VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (silo_id, number, order_id)
            )
            owner = self.owner(silo_id, number)
            (starts,) = self._database.execute("SELECT starts FROM orders WHERE order_id = ?", (order_id,)).fetchone()
        if owner != order_id:
            raise Refused(
                "order.number_reused",
                f"Number {number} belongs to order {owner}.",
                highest_number=self.highest_number(silo_id) or None,
            )
        return int(starts)

    def undo_start(self, order_id: str) -> None:
        """A start that came to nothing for want of disk does not count."""
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("UPDATE orders SET starts = starts - 1 WHERE order_id = ?", (order_id,))

    def finish(self, outcome: Outcome, head: Head | None = None) -> Outcome:
        """Fix the outcome of an order, and how far the journal goes: the first outcome stays, and is returned."""
        with self._transaction():
            self._note(head)
            self._database.execute(
                "UPDATE orders SET document = ?, payload_digest = ?, payload_size_bytes = ?, done_at = ? "
                "WHERE order_id = ? AND document IS NULL",
                (
                    outcome.document,
                    outcome.payload_digest,
                    outcome.payload_size_bytes,
                    now().isoformat(),
                    outcome.order_id,
                ),
            )
        fixed = self.outcome(outcome.order_id)
        assert fixed is not None, "an order is taken before it is finished"
        return fixed

    def note(self, head: Head) -> None:
        """How far the journal goes, also where no order was answered."""
        with self._transaction():
            self._note(head)

    def _note(self, head: Head | None) -> None:
        if head is not None and head.digest is not None:
            self._database.execute("INSERT OR REPLACE INTO journal_head VALUES (1, ?, ?)", (head.lines, head.digest))

    def journal_head(self) -> Head:
        """How far the journal went at the last answer."""
        row = self._database.execute("SELECT lines, digest FROM journal_head").fetchone()
        return Head() if row is None else Head(*row)

    def owner(self, silo_id: str, number: int) -> str | None:
        """The order that has a number."""
        row = self._database.execute(
            "SELECT order_id FROM numbers WHERE silo_id = ? AND number = ?", (silo_id, number)
        ).fetchone()
        return None if row is None else str(row[0])

    def highest_number(self, silo_id: str) -> int:
        """The highest number of an order that was taken; 0 where none was."""
        (number,) = self._database.execute(
            "SELECT coalesce(max(number), 0) FROM numbers WHERE silo_id = ?", (silo_id,)
        ).fetchone()
        return int(number)

    def silos(self) -> set[str]:
        """The silos whose orders were taken: one, unless this trainer was enrolled anew."""
        return {str(silo_id) for (silo_id,) in self._database.execute("SELECT DISTINCT silo_id FROM numbers")}

    def registered(self, name: str) -> str | None:
        """The fingerprint of a dataset's last registration."""
        row = self._database.execute("SELECT fingerprint FROM registrations WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def register(self, name: str, fingerprint: str) -> None:
        """Remember a dataset's registration."""
        self._database.execute(
            "INSERT INTO registrations VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE "
            "SET fingerprint = excluded.fingerprint, registered_at = excluded.registered_at",
            (name, fingerprint, now().isoformat()),
        )

    def registered_names(self) -> set[str]:
        """The datasets that the platform was told of, and not that they are declared no longer."""
        return {str(name) for (name,) in self._database.execute("SELECT name FROM registrations")}

    def forget_registration(self, name: str) -> None:
        """The dataset is withdrawn: declared again, it is registered anew."""
        self._database.execute("DELETE FROM registrations WHERE name = ?", (name,))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _transaction(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database  # as a context manager it commits, or rolls back on an error
