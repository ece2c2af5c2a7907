"""What the trainer remembers of jobs: with which manifest each began, and which of its orders were allowed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from federation.protocol.documents import OF_NO_ROUND, Order, now
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.pruning import as_text, deleted_until

_SKEW = timedelta(seconds=120)


@dataclass(frozen=True)
class Begun:
    """A job as it began here: under which manifest and agreement, by their hashes, and when."""

    manifest_digest: str
    agreement_digest: str
    begun_at: datetime


@dataclass(frozen=True)
class KnownJob:
    """A job with its sealed documents, and how far it has come here."""

    job_id: UUID
    manifest: bytes
    agreement: bytes
    begun_at: datetime
    last_at: datetime
    last_round: int


class Jobs:
    """Tables of the trainer's memory."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def begun(self, job_id: UUID) -> Begun | None:
        """How a job began here, if it did."""
        row = self._database.execute(
            "SELECT manifest_digest, agreement_digest, begun_at FROM jobs WHERE job_id = ?", (str(job_id),)
        ).fetchone()
        return None if row is None else Begun(row[0], row[1], datetime.fromisoformat(row[2]))

    def check_known(self, job_id: UUID, made_at: datetime) -> None:
        """Raise Refused ``job.state_lost`` for a job that is unknown here and may be one that was forgotten."""
        _, until = deleted_until(self._database)
        if until is not None and made_at <= until + _SKEW and self.begun(job_id) is None:
            raise Refused("job.state_lost", f"What was done until {until:%Y-%m-%d} is kept no longer.")

    def check_order(self, order: Order) -> None:
        """Orders of a job go forward, and all of a round that bring a model are about one.

        Orders of kinds that belong to no round come before, between and after all others.
        Raises Refused ``manifest.changed``, ``order.reordered``, ``model.swapped``.
        """
        begun = self.begun(order.job_id)
        if begun is None:
            return
        if begun.manifest_digest != order.manifest_digest:
            raise Refused("manifest.changed", f"The job began under the manifest {begun.manifest_digest}.")
        if order.kind in OF_NO_ROUND:
            return
        others = (str(order.job_id), str(order.order_id))
        last = self._database.execute(
            "SELECT round, attempt FROM allowed WHERE job_id = ? AND order_id != ? "
            "ORDER BY round DESC, attempt DESC LIMIT 1",
            others,
        ).fetchone()
        if last is not None and (order.round, order.attempt) < last:
            raise Refused("order.reordered", f"Round {last[0]}, attempt {last[1]} was allowed before.")
        other = self._database.execute(
            "SELECT model_digest FROM allowed "
            "WHERE job_id = ? AND order_id != ? AND round = ? AND model_digest NOT IN (?, '')",
            (*others, order.round, order.model_digest),
        ).fetchone()
        if other is not None and order.model_digest is not None:
            raise Refused("model.swapped", f"Round {order.round} was about {other[0]} before.")

    def allow(self, order: Order, agreement_digest: str, manifest: bytes, agreement: bytes) -> None:
        """Remember that an order was allowed, before anything is done for it. The same one again changes nothing."""
        moment = as_text(now())
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute(
                "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (str(order.job_id), order.manifest_digest, agreement_digest, manifest, agreement, moment),
            )
            self._database.execute(
                "INSERT INTO allowed VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (
                    str(order.order_id),
                    str(order.job_id),
                    order.kind,
                    order.round,
                    order.attempt,
                    order.model_digest or "",
                    moment,
                ),
            )

    def allowed(self, order_id: str) -> tuple[str, int, str] | None:
        """Job, round and model of an order that was allowed; an empty text where it brought no model."""
        row = self._database.execute(
            "SELECT job_id, round, model_digest FROM allowed WHERE order_id = ?", (order_id,)
        ).fetchone()
        return None if row is None else (str(row[0]), int(row[1]), str(row[2]))

    def rounds_since(self, moment: datetime, kinds: Collection[str], but: UUID | None = None) -> int:
        """How many orders of these kinds were allowed since, but for one."""
        (count,) = self._database.execute(
            "SELECT count(*) FROM allowed WHERE allowed_at >= ? AND order_id != ? "
            "AND kind IN (SELECT value FROM json_each(?))",
            (as_text(moment), str(but), json.dumps(sorted(kinds))),
        ).fetchone()
        return int(count)

    def newest(self, count: int) -> list[KnownJob]:
        """The jobs that were worked on last."""
        rows = self._database.execute(
            "SELECT jobs.job_id, manifest, agreement, begun_at, max(allowed_at), max(round) "
            "FROM jobs JOIN allowed USING (job_id) GROUP BY jobs.job_id ORDER BY max(allowed_at) DESC LIMIT ?",
            (count,),
        )
        return [
            KnownJob(
                UUID(job_id), manifest, agreement, datetime.fromisoformat(begun), datetime.fromisoformat(last), round_
            )
            for job_id, manifest, agreement, begun, last, round_ in rows
        ]
