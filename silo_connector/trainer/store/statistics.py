"""What the trainer remembers of statistics: how many jobs a dataset has answered today, and of which rows it ever did.

Two answers over rows that differ in one tell that row. So the rows of a dataset are answered for where they are the
very rows of an earlier answer, or differ in number by the minimum cell at least from those of *every* earlier answer:
then at least so many rows came or went between any two. What is kept of them is a digest and their number.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.pruning import as_text

DAYS_KEPT = timedelta(days=40)
ORDERS_A_JOB_MAX = 4
"""So many orders of one job are answered: the first, and those of rounds that were opened again."""


@dataclass(frozen=True)
class RowState:
    """The rows of a dataset as they are now, and how they are cut."""

    fingerprint: str
    """Of all rows, the declared cells and the minimum cell: equal where all are."""
    rows: int


class StatisticsAnswers:
    """Tables of the trainer's memory. States of rows stay for ever: no two of a dataset are nearer than that."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def admit(
        self, dataset: str, job_id: UUID, state: RowState, moment: datetime, per_day_max: int, minimum_cell: int
    ) -> None:
        """Note that a job is answered, before it is; the same job again on the same day changes nothing.

        Whatever is asked counts, also what is refused because of the rows: else asking would tell when they change.
        For the same reason a job is answered a few times only, on whatever day.
        Raises Refused ``statistics.asked_again``, ``statistics.per_day``, ``statistics.too_few_rows``,
        ``statistics.rows_too_near``.
        """
        day = moment.astimezone(UTC).date()
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                "DELETE FROM statistics_days WHERE dataset = ? AND day < ?", (dataset, (day - DAYS_KEPT).isoformat())
            )
            self._database.execute(
                "INSERT INTO statistics_days VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (dataset, day.isoformat(), str(job_id)),
            )
            (asked,) = self._database.execute(
                "SELECT count(*) FROM statistics_days WHERE dataset = ? AND day = ?", (dataset, day.isoformat())
            ).fetchone()
            if asked > per_day_max:  # the transaction is undone: what is refused for this is no question asked
                raise Refused("statistics.per_day", f"{dataset!r} has answered {per_day_max} jobs on {day}.")
            if self._orders_of(job_id) > ORDERS_A_JOB_MAX:
                raise Refused("statistics.asked_again", f"Job {job_id} has asked {ORDERS_A_JOB_MAX} times.")
            are_too_few = state.rows < minimum_cell
            near = None if are_too_few else self._nearest(dataset, state, minimum_cell)
            if near is None and not are_too_few:
                self._database.execute(
                    "INSERT INTO statistics_rows VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    (dataset, state.fingerprint, state.rows, as_text(moment)),
                )
        if are_too_few:
            raise Refused("statistics.too_few_rows", f"{dataset!r} has {state.rows} rows.")
        if near is not None:
            told = f"{dataset!r} has {state.rows} rows, and answered of {near} others; {minimum_cell} have to differ."
            raise Refused("statistics.rows_too_near", told)

    def _orders_of(self, job_id: UUID) -> int:
        """How many orders of a job were allowed; the one that is being answered is among them."""
        (count,) = self._database.execute("SELECT count(*) FROM allowed WHERE job_id = ?", (str(job_id),)).fetchone()
        return int(count)

    def _nearest(self, dataset: str, state: RowState, minimum_cell: int) -> int | None:
        """How many rows an earlier answer was of, from which these differ by too few; None where there is none."""
        row = self._database.execute(
            "SELECT rows FROM statistics_rows WHERE dataset = ? AND fingerprint <> ? AND abs(rows - ?) < ? LIMIT 1",
            (dataset, state.fingerprint, state.rows, minimum_cell),
        ).fetchone()
        return None if row is None else int(row[0])
