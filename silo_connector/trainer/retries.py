"""Surprises that may pass, while an order is worked on: tried again, later each time, before they become a refusal.

A refusal is signed and final, so one locked database or one moment without memory must not cost a silo its round.
"""

from __future__ import annotations

import errno
import sqlite3
import time
from collections.abc import Callable

from silo_connector.appending import Unwritable

RETRIES_MAX = 5
FIRST_WAIT_S = 5.0
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_NO_ROOM_SQLITE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN})
_NO_MEMORY = ("allocate memory", "out of memory")


def has_no_room(error: BaseException) -> bool:
    """Whether nothing can be written, so that no refusal could be kept either: such an order waits for room."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", None) in _NO_ROOM_SQLITE
    return isinstance(error, Unwritable) or (isinstance(error, OSError) and error.errno in _NO_ROOM)


def may_pass(error: BaseException) -> bool:
    """Whether the same order may go well later: the machine was at fault, and neither the order nor the data."""
    if isinstance(error, RuntimeError):  # torch's words for it
        return any(words in str(error) for words in _NO_MEMORY)
    return isinstance(error, OSError | MemoryError | sqlite3.OperationalError)


class Retries:
    """How often each order has met a surprise, and when it is to be tried again. A restart begins again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, first_wait_s: float = FIRST_WAIT_S) -> None:
        self._clock = clock
        self._first_wait_s = first_wait_s
        self._met: dict[str, int] = {}
        self._due_s: dict[str, float] = {}

    def again_in_s(self, order_id: str) -> float | None:
        """Count a surprise: in so many seconds the order is tried again; None where it was tried often enough."""
        met = self._met[order_id] = self._met.get(order_id, 0) + 1
        if met > RETRIES_MAX:
            return None
        wait_s = self._first_wait_s * 2.0 ** (met - 1)
        self._due_s[order_id] = self._clock() + wait_s
        return wait_s

    def is_due(self, order_id: str) -> bool:
        """Whether an order may be worked on now."""
        return self._clock() >= self._due_s.get(order_id, 0.0)

    def forget_others(self, waiting: list[str]) -> None:
        """Orders that wait no longer are over."""
        for known in (self._met, self._due_s):
            for gone in known.keys() - set(waiting):
                del known[gone]
