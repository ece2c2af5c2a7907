"""One LISTEN connection a process, and everybody in the process who waits on it.

A waiter registers, *then* looks at the database, then waits: a notice between the check and the wait is not lost.
After the connection was lost everybody is woken, since nobody knows what was missed.
"""

import asyncio
import contextlib
import logging
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator

import psycopg

from realtime import database
from realtime.notices import JOBS, ORDERS

log = logging.getLogger(__name__)
_RETRY_MIN_S, _RETRY_MAX_S = 0.2, 5.0
PROBE_S = 10.0
"""After so long without a word the server is asked, and after as long again without an answer it is abandoned."""


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

    They are taken from libpq as soon as its socket can be read: the driver's own generator asks the event loop again
    for each, and a round brings a dozen. A server that says nothing for a while is asked, and abandoned if it does not
    answer: TCP alone may not notice for hours that a way is cut. Raises psycopg.Error or OSError once it is gone.
    """
    connection = await psycopg.AsyncConnection.connect(**database.libpq_parameters(), autocommit=True)
    libpq, loop, readable = connection.pgconn, asyncio.get_running_loop(), asyncio.Event()
    watched = os.dup(libpq.socket)  # libpq closes its own when the server is gone, before the loop can let go of it
    try:
        async with asyncio.timeout(PROBE_S):
            for channel in (ORDERS, JOBS):
                await connection.execute(f"LISTEN {channel}")
        yield [(None, "")]
        loop.add_reader(watched, readable.set)
        asked = False
        while True:
            readable.clear()
            libpq.consume_input()  # raises OperationalError once the connection is gone
            found: list[tuple[str | None, str]] = []
            while (notice := libpq.notifies()) is not None:
                found.append((notice.relname.decode(), notice.extra.decode()))
            if asked and not libpq.is_busy():
                while libpq.get_result() is not None:
                    pass
                asked = False
            if found:
                yield found
            try:
                async with asyncio.timeout(PROBE_S):
                    await readable.wait()
            except TimeoutError:
                if asked:
                    raise TimeoutError(f"the server has not answered for {PROBE_S:g} s") from None
                libpq.send_query(b"SELECT 1")
                libpq.flush()
                asked = True
    finally:
        loop.remove_reader(watched)
        os.close(watched)
        await connection.close()  # not by its context manager, which would ask a server that is silent to roll back


hub = Hub()
