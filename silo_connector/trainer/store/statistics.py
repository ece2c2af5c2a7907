"""What the trainer remembers of statistics: how many jobs a file has answered today, and of which rows it ever did.

Two answers over rows that differ in one reveal that row. So the rows of a dataset are answered for where they are the
very rows of an earlier answer, or differ in number by the minimum cell at least from those of *every* earlier answer:
then at least so many rows came or went between any two. Of two minimum cells it is the larger one, for either answer
was agreed on with its own. What is kept of them is a digest, their number and the minimum cell.

A file is one however many datasets are made of it: what is known of it goes by its source. A dataset is of a source
that its name, its file's place or the very bytes of its file were of before; where these were of several, the sources
become one. So a second name, a link or a copy is neither asked more often, nor about rows near those of the first.
Of all datasets it is noted what they are of whenever one is asked, so that a copy is known that changes later.
The journal has every line of it too: where the memory is lost, ``accept-state`` takes it from there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.pruning import as_text

DAYS_KEPT = timedelta(days=40)
ORDERS_A_JOB_MAX = 4
"""So many orders of one job are answered: the first, and those of rounds that were opened again."""


ADMITTED = "statistics.admitted"
"""The journal's event of an order for which it was noted that it asked."""


@dataclass(frozen=True)
class DatasetFile:
    """A dataset by its name, and the file that it is made of."""

    name: str
    path: Path | None = None
    digest: str = ""
    """Of the file's bytes."""

    @property
    def keys(self) -> tuple[str, ...]:
        """By what it is known again."""
        place = () if self.path is None else (f"path:{self.path.resolve()}",)
        return (f"name:{self.name}", *place, *((f"bytes:{self.digest}",) if self.digest else ()))


@dataclass(frozen=True)
class RowState:
    """The rows of a dataset as they are now, and how they are cut."""

    fingerprint: str
    """Of all rows, the declared cells and the minimum cell: equal where all are."""
    rows: int


class StatisticsAnswers:
    """Tables of the trainer's memory. States of rows stay for ever: no two of a source are nearer than that."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def admit(
        self, dataset: DatasetFile, job_id: UUID, state: RowState, moment: datetime, per_day_max: int, minimum_cell: int
    ) -> Mapping[str, Any]:
        """Note that a job is answered, before it is; the same job again on the same day changes nothing.

        Whatever is asked counts, also what is refused because of the rows: else asking would reveal when they change.
        For the same reason a job is answered a few times only, on whatever day.
        What the journal has to say of it comes back, for `restore`.
        Raises Refused ``statistics.asked_again``, ``statistics.per_day``, ``statistics.too_few_rows``,
        ``statistics.rows_too_near``.
        """
        day, name = moment.astimezone(UTC).date(), dataset.name
        self.note_sources([dataset])  # by itself: it stays noted where what follows is undone
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            source = self._source_of(dataset.keys, name)
            self._database.execute(
                "DELETE FROM statistics_days WHERE source = ? AND day < ?", (source, (day - DAYS_KEPT).isoformat())
            )
            self._note_day(source, day, job_id)
            (asked,) = self._database.execute(
                "SELECT count(*) FROM statistics_days WHERE source = ? AND day = ?", (source, day.isoformat())
            ).fetchone()
            if asked > per_day_max:  # the transaction is undone: what is refused for this is no question asked
                raise Refused("statistics.per_day", f"The file of {name!r} has answered {per_day_max} jobs on {day}.")
            if self._orders_of(job_id) > ORDERS_A_JOB_MAX:
                raise Refused("statistics.asked_again", f"Job {job_id} has asked {ORDERS_A_JOB_MAX} times.")
            are_too_few = state.rows < minimum_cell
            near = None if are_too_few else self._nearest(source, state, minimum_cell)
            if near is None and not are_too_few:
                self._note_rows(source, state, minimum_cell, as_text(moment))
            keys = self._keys_of(source)
        if are_too_few:
            raise Refused("statistics.too_few_rows", f"{name!r} has {state.rows} rows.")
        if near is not None:
            message = f"{name!r} has {state.rows} rows, and answered of {near} others: too few differ."
            raise Refused("statistics.rows_too_near", message)
        return {
            "dataset": name,
            "keys": keys,
            "day": day.isoformat(),
            "job_id": str(job_id),
            "fingerprint": state.fingerprint,
            "rows": state.rows,
            "minimum_cell": minimum_cell,
            "moment": as_text(moment),
        }

    def note_sources(self, datasets: Iterable[DatasetFile]) -> None:
        """Note of which source each dataset is, whether it is asked or not."""
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for dataset in datasets:
                self._source_of(dataset.keys, dataset.name)

    def restore(self, entries: Iterable[Mapping[str, Any]]) -> int:
        """Note again what these lines of the journal say was answered; how many there were. Twice is as once."""
        count = 0
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for entry in entries:
                match entry:
                    case {
                        "dataset": str(name),
                        "keys": [*keys],
                        "day": str(day),
                        "job_id": str(job_id),
                        "fingerprint": str(fingerprint),
                        "rows": int(rows),
                        "moment": str(moment),
                    }:
                        source = self._source_of(tuple(map(str, keys)), name)
                        self._note_day(source, date.fromisoformat(day), UUID(job_id))
                        hidden = entry.get("minimum_cell")
                        self._note_rows(
                            source, RowState(fingerprint, rows), hidden if isinstance(hidden, int) else 0, moment
                        )
                        count += 1
        return count

    def _source_of(self, keys: tuple[str, ...], name: str) -> str:
        """The source that one of these keys is of, or a new one by this name; of several that they are of one is made.

        All keys are of it from now on. Part of a transaction.
        """
        marks = ", ".join("?" * len(keys))
        known = f"SELECT DISTINCT source FROM statistics_sources WHERE key IN ({marks}) ORDER BY source"  # noqa: S608
        sources = [str(row[0]) for row in self._database.execute(known, keys)] or [name]
        source, *others = sources
        for other in others:
            for table in ("statistics_days", "statistics_rows"):
                both = (source, other)
                self._database.execute(f"UPDATE OR IGNORE {table} SET source = ? WHERE source = ?", both)  # noqa: S608
                self._database.execute(f"DELETE FROM {table} WHERE source = ?", (other,))  # noqa: S608
            self._database.execute("UPDATE statistics_sources SET source = ? WHERE source = ?", (source, other))
        self._database.executemany(
            "INSERT INTO statistics_sources VALUES (?, ?) ON CONFLICT DO NOTHING", [(key, source) for key in keys]
        )
        return source

    def _keys_of(self, source: str) -> list[str]:
        """By what a source is known again, whatever dataset it is asked as."""
        found = self._database.execute("SELECT key FROM statistics_sources WHERE source = ? ORDER BY key", (source,))
        return [str(key) for (key,) in found]

    def _note_day(self, source: str, day: date, job_id: UUID) -> None:
        self._database.execute(
            "INSERT INTO statistics_days VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (source, day.isoformat(), str(job_id)),
        )

    def _note_rows(self, source: str, state: RowState, minimum_cell: int, moment: str) -> None:
        self._database.execute(
            "INSERT INTO statistics_rows (source, fingerprint, rows, minimum_cell, answered_at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING",
            (source, state.fingerprint, state.rows, minimum_cell, moment),
        )

    def _orders_of(self, job_id: UUID) -> int:
        """How many orders of a job were allowed; the one that is being answered is among them."""
        (count,) = self._database.execute("SELECT count(*) FROM allowed WHERE job_id = ?", (str(job_id),)).fetchone()
        return int(count)

    def _nearest(self, source: str, state: RowState, minimum_cell: int) -> int | None:
        """How many rows an earlier answer was of, from which these differ by too few; None where there is none."""
        row = self._database.execute(
            "SELECT rows FROM statistics_rows WHERE source = ? AND fingerprint <> ? "
            "AND abs(rows - ?) < max(minimum_cell, ?) LIMIT 1",
            (source, state.fingerprint, state.rows, minimum_cell),
        ).fetchone()
        return None if row is None else int(row[0])
