"""One LISTEN connection a process, and everybody in the process who waits on it.

A waiter registers, *then* looks at the database, then waits: a notice between the look and the wait is not lost.
After the connection was lost everybody is woken, since nobody knows what was missed.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

import psycopg
from django.db import connections

from live.notices import JOBS, ORDERS

log = logging.getLogger(__name__)
_RETRY_MIN_S, _RETRY_MAX_S = 0.2, 5.0


class Hub:
    """Who waits for what in this process."""

    def __init__(self) -> None:
        self._waiting: defaultdict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)
        self._listener: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def waiting(self, channel: str, subject: object) -> Iterator[asyncio.Event]:
        """An event that is set whenever the subject has news. Clear it, look, then wait for it."""
        if self._listener is None or self._listener.done():
            self._listener = asyncio.get_running_loop().create_task(self._listen(), name="listen")
        key, event = (channel, str(subject)), asyncio.Event()
        self._waiting[key].add(event)
        try:
            yield event
        finally:
            self._waiting[key].discard(event)
            if not self._waiting[key]:
                del self._waiting[key]

    def wake_all(self) -> None:
        """Make everybody look again."""
        for events in self._waiting.values():
            for event in events:
                event.set()

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
            self._listener = None

    async def _listen(self) -> None:
        pause_s = _RETRY_MIN_S
        while True:
            try:
                async for channel, payload in _notices():
                    pause_s = _RETRY_MIN_S
                    if channel is None:
                        self.wake_all()
                    for event in self._waiting.get((channel or "", payload), ()):
                        event.set()
            except (psycopg.Error, OSError) as error:
                log.warning("lost the LISTEN connection, trying again in %.1f s: %s", pause_s, error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _RETRY_MAX_S)


async def _notices() -> AsyncIterator[tuple[str | None, str]]:
    """The notices of a fresh connection; first (None, ""), once it listens."""
    parameters = {
        name: value
        for name, value in connections["default"].get_connection_params().items()
        if name in {"dbname", "user", "password", "host", "port"}
    }
    async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as connection:
        for channel in (ORDERS, JOBS):
            await connection.execute(f"LISTEN {channel}")
        yield None, ""
        async for notice in connection.notifies():
            yield notice.channel, notice.payload


hub = Hub()
