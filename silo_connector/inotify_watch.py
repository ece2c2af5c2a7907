"""Notices at once when something is renamed into a folder, and looks by itself now and then."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from asyncinotify import Inotify, Mask

from silo_connector.logs import Log

RESCAN_S = 5.0
RESCAN_WITHOUT_INOTIFY_S = 0.25
_WANTED = Mask.MOVED_TO | Mask.ONLYDIR


class Watch:
    """Wakes anyone who waits when a watched folder changes; a wake-up too many does no harm."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._changed = asyncio.Event()
        self._changed.set()
        self._rescan_s = RESCAN_S

    def nudge(self) -> None:
        """Wake the waiter."""
        self._changed.set()

    async def wait(self) -> None:
        """Until something changed since the last return, or a while went by."""
        # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the event.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._rescan_s):
                await self._changed.wait()
        self._changed.clear()

    @contextlib.asynccontextmanager
    async def running(self, log: Log) -> AsyncIterator[Watch]:
        """Watch while in this context; where the system has no watch to give, look more often instead."""
        try:
            inotify = Inotify()
            for folder in self._folders:
                inotify.add_watch(folder, _WANTED)
        except OSError as error:
            self._rescan_s = RESCAN_WITHOUT_INOTIFY_S
            log.warning("watch.unavailable", reason=error.strerror, rescan_s=self._rescan_s)
            yield self
            return
        reader = asyncio.create_task(self._read(inotify))
        try:
            yield self
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
            inotify.close()

    async def _read(self, inotify: Inotify) -> None:
        async for _ in inotify:
            self._changed.set()
