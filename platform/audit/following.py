"""Following the events of a job by their ids, without losing one that becomes visible after a later one.

An event's id is drawn when it is written, and seen when its transaction commits. So the newest event that is visible
says only how far ids had been drawn. A transaction that drew a lower one holds a lock on the table until its
transaction ends: once those who hold it now are gone, nothing below is missing any more (ADR 41). Notices are sent
of the events of jobs that are followed, and of no others (ADR 42).
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from audit.models import Event, Follower
from realtime import database

_NEWEST = "SELECT max(id) FROM audit_event WHERE job_id = %(job)s AND id > %(last)s"
FOLLOWED_FOR_S = 60
_FOLLOW = """
    WITH relaxed AS (
        SELECT set_config('synchronous_commit', 'off', true)
    )
    INSERT INTO audit_follower (job_id, until)
    SELECT %(job)s, clock_timestamp() + interval '1 second' * %(seconds)s FROM relaxed
    ON CONFLICT (job_id) DO UPDATE SET until = GREATEST(audit_follower.until, EXCLUDED.until)
"""
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
    (`realtime.postgresql.base.IDLE_IN_TRANSACTION_MAX`).
    """

    def __init__(self, job_id: UUID, after: int) -> None:
        self.job_id = job_id
        self.last = after
        self._newest: int | None = None
        self._writers: set[str] = set()
        self._unaware: set[str] = set()

    def follow(self) -> None:
        """Have notices sent of this job's events for the next minute (`realtime.notices.JOBS`).

        A writer that is at work may not know of it and send none: until they are gone there is something to wait for.
        """
        database.fetch(_FOLLOW, {"job": self.job_id, "seconds": FOLLOWED_FOR_S})
        self._unaware |= _writers()

    @property
    def is_waiting(self) -> bool:
        """Whether there may be events of which there will be no notice: look again in a moment."""
        return self._newest is not None or bool(self._unaware)

    def next(self, limit: int) -> list[Event]:
        """The next events, in order; none where there are none yet or they have to wait."""
        if self._unaware:
            self._unaware &= _writers()
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


def delete_unfollowed() -> None:
    """Delete the marks of jobs that nobody has followed for an hour."""
    Follower.objects.filter(until__lt=timezone.now() - timedelta(hours=1)).delete()


def _writers() -> set[str]:
    """The open transactions, but for this one, that have written an event or are about to."""
    return {row[0] for row in database.fetch(_WRITERS, {})}
