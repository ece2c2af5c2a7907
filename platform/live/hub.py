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
                async for notices in _notices():
                    pause_s = _RETRY_MIN_S
                    for channel, payload in notices:
                        if channel is None:
                            self.wake_all()
                        for event in self._waiting.get((channel or "", payload), ()):
                            event.set()
            except (psycopg.Error, OSError) as error:
                log.warning("lost the LISTEN connection, trying again in %.1f s: %s", pause_s, error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _RETRY_MAX_S)


async def _notices() -> AsyncIterator[list[tuple[str | None, str]]]:
    """The notices of a fresh connection, as many as have come at once; first [(None, "")], once it listens.

    They are taken from libpq as soon as its socket can be read: the driver's own generator asks the event loop anew
    for each, and a round brings a dozen.
    """
    parameters = {
        name: value
        for name, value in connections["default"].get_connection_params().items()
        if name in {"dbname", "user", "password", "host", "port"}
    }
    async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as connection:
        for channel in (ORDERS, JOBS):
            await connection.execute(f"LISTEN {channel}")
        yield [(None, "")]
        libpq, loop, readable = connection.pgconn, asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(libpq.socket, readable.set)
        try:
            while True:
                readable.clear()
                libpq.consume_input()  # raises OperationalError once the connection is gone
                found: list[tuple[str | None, str]] = []
                while (notice := libpq.notifies()) is not None:
                    found.append((notice.relname.decode(), notice.extra.decode()))
                if found:
                    yield found
                await readable.wait()
        finally:
            loop.remove_reader(libpq.socket)


hub = Hub()
