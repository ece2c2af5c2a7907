"""What the trainer remembers over crashes: which orders it has taken, and what it answered. SQLite, synced."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from federation.errors import Invalid
from federation.protocol.documents import now
from silo_connector.journal import Head
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.jobs import Jobs
from silo_connector.trainer.store.migrations import migrate
from silo_connector.trainer.store.pruning import as_text, delete_old, deleted_until, mark
from silo_connector.trainer.store.statistics import StatisticsAnswers

FILE = "trainer.sqlite"
FORGET_EVERY = timedelta(days=1)


@dataclass(frozen=True)
class SentPayload:
    """A file that goes with an answer."""

    name: str
    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Outcome:
    """What was answered to an order, for ever: the sealed document and what files go with it."""

    order_id: str
    document: bytes
    payloads: tuple[SentPayload, ...] = ()


class Memory:
    """One connection, used by one thread."""

    def __init__(self, state: Path | None) -> None:
        """What is kept in this folder; an empty one that is kept nowhere for None.

        Raises Invalid ``trainer.state_unreadable`` for a file that is no database of SQLite, ``trainer.state_locked``,
        and what `migrate` raises.
        """
        file = ":memory:" if state is None else state / FILE
        try:
            self._database = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            migrate(self._database, file)
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                message = f"{file} is locked by another process. Nothing is wrong with it: end that process, or wait."
                raise Invalid("trainer.state_locked", message) from error
            raise Invalid(
                "trainer.state_unreadable",
                f"{file} can't be opened ({error}). Stop the trainer and put the newest backup back. If there is none, "
                "move the file away, and confirm what was lost: silo-connector accept-state.",
            ) from error
        self.jobs = Jobs(self._database)
        self.statistics = StatisticsAnswers(self._database)
        self._forgot_at: datetime | None = None

    def outcome(self, order_id: str) -> Outcome | None:
        """What was answered to an order, if it was."""
        row = self._database.execute(
            "SELECT document, payloads FROM orders WHERE order_id = ? AND document IS NOT NULL", (order_id,)
        ).fetchone()
        return (
            None if row is None else Outcome(order_id, row[0], tuple(SentPayload(*one) for one in json.loads(row[1])))
        )

    def answer_again(self, order_id: str) -> Outcome | None:
        """The same, for an order that came again: as long as it comes, it is not forgotten."""
        found = self.outcome(order_id)
        if found is not None:
            self._database.execute("UPDATE orders SET seen_at = ? WHERE order_id = ?", (as_text(now()), order_id))
        return found

    def forget(self, moment: datetime) -> None:
        """Forget what is old, at most once a day; `moment` is one that the platform has named and our clock reached."""
        if self._forgot_at is not None and moment - self._forgot_at < FORGET_EVERY:
            return
        with self._transaction():
            delete_old(self._database, moment)
        self._forgot_at = moment

    @property
    def forgotten_before(self) -> str | None:
        """Lines of the journal from before may be about what was forgotten."""
        return deleted_until(self._database)[0]

    def take(self, order_id: str, silo_id: str, number: int) -> int:
        """Take an order before anything is done for it; how often it has been started by now.

        Raises Refused ``order.number_reused`` when the number belongs to another order, or may have: it is not above
        the mark of those that were forgotten.
        """
        with self._transaction():
            self._database.execute(
                "INSERT INTO orders (order_id, starts, taken_at, seen_at) VALUES (?, 1, ?, ?) "
                "ON CONFLICT (order_id) DO UPDATE SET starts = starts + 1, seen_at = excluded.seen_at",
                (order_id, now().isoformat(), as_text(now())),
            )
            if number > mark(self._database, silo_id):
                self._database.execute(
                    "INSERT INTO numbers VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (silo_id, number, order_id)
                )
            owner = self.owner(silo_id, number)
            (starts,) = self._database.execute("SELECT starts FROM orders WHERE order_id = ?", (order_id,)).fetchone()
        if owner != order_id:
            of = "an order that is over and forgotten" if owner is None else f"order {owner}"
            highest = self.highest_number(silo_id) or None
            raise Refused("order.number_reused", f"Number {number} belongs to {of}.", highest_number=highest)
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
                "UPDATE orders SET document = ?, payloads = ?, done_at = ? WHERE order_id = ? AND document IS NULL",
                (
                    outcome.document,
                    json.dumps([astuple(payload) for payload in outcome.payloads]),
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
        return max(int(number), mark(self._database, silo_id))

    def silos(self) -> set[str]:
        """The silos whose orders were taken: one, unless this trainer was enrolled again."""
        found = self._database.execute("SELECT silo_id FROM numbers UNION SELECT silo_id FROM number_marks")
        return {str(silo_id) for (silo_id,) in found}

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
        """The datasets that the platform was informed of, and not that they are declared no longer."""
        return {str(name) for (name,) in self._database.execute("SELECT name FROM registrations")}

    def forget_registration(self, name: str) -> None:
        """The dataset is withdrawn: declared again, it is registered again."""
        self._database.execute("DELETE FROM registrations WHERE name = ?", (name,))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _transaction(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database  # as a context manager it commits, or rolls back on an error
