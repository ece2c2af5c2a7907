"""Following the events of a job by their ids, without losing one that becomes visible after a later one.

An event's id is drawn when it is written, and seen when its transaction commits. So the newest event that is visible
says only how far ids had been drawn. Whoever drew a lower one holds a lock on the table until its transaction ends:
once those who hold it now are gone, nothing below is missing any more (ADR 41).
"""

from __future__ import annotations

from uuid import UUID

from audit.models import Event
from live import database

_NEWEST = "SELECT max(id) FROM audit_event WHERE job_id = %(job)s AND id > %(last)s"
_WRITERS = """
    SELECT virtualtransaction FROM pg_locks
    WHERE locktype = 'relation' AND relation = 'audit_event'::regclass AND mode = 'RowExclusiveLock' AND granted
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND pid IS DISTINCT FROM pg_backend_pid()
"""


class SettledEvents:
    """A job's events after one of them, each only once no event with a lower id can come any more.

    Only transactions that have themselves written an event are waited for, in this database. One that is open for long
    and writes none holds nothing up; one that has and then does nothing is ended by the server
    (`live.postgresql.base.IDLE_IN_TRANSACTION_MAX`).
    """

    def __init__(self, job_id: UUID, after: int) -> None:
        self.job_id = job_id
        self.last = after
        self._newest: int | None = None
        self._writers: set[str] = set()

    @property
    def is_waiting(self) -> bool:
        """Whether there are events that are held back: look again in a moment, no notice will tell."""
        return self._newest is not None

    def next(self, limit: int) -> list[Event]:
        """The next events, in order; none where there are none yet or they have to wait."""
        if self._newest is None:
            ((self._newest,),) = database.fetch(_NEWEST, {"job": self.job_id, "last": self.last})
            if self._newest is None:
                return []
            self._writers = _writers()
        elif self._writers:
            self._writers &= _writers()
        if self._writers:
            return []
        found = Event.objects.filter(job_id=self.job_id, id__gt=self.last, id__lte=self._newest)
        events = list(found.order_by("id")[:limit])
        self.last = events[-1].id
        if self.last == self._newest:
            self._newest = None
        return events


def _writers() -> set[str]:
    """The open transactions, but for this one, that have written an event or are about to."""
    return {row[0] for row in database.fetch(_WRITERS, {})}
