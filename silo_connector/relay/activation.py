"""Whether this silo may speak: nothing but polls leaves the relay before an administrator has confirmed it."""

from __future__ import annotations

import asyncio

from silo_connector.logs import Log
from silo_connector.relay.errors import Declined

LOG = Log("relay")
OTHER_PROTOCOL = "protocol.version"
"""The platform speaks another version of the protocol: nothing of ours is taken until one side is upgraded."""
PAUSES_S = {"silo.unconfirmed": 2.0, "silo.revoked": 60.0, OTHER_PROTOCOL: 60.0}
"""Until the next poll, by the code of the platform's objection."""
OTHERWISE_S = 5.0


class Gate:
    """Open while the platform lets this silo work. What sends waits at it before every attempt."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._said: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether the silo is confirmed, as far as we know."""
        return self._open.is_set()

    async def wait_until_active(self) -> None:
        """Wait until it is open."""
        await self._open.wait()

    def admit(self) -> None:
        """A poll was answered: the silo is active."""
        if not self._open.is_set():
            LOG.info("silo.active")
        self._said = None
        self._open.set()

    @staticmethod
    def concerns(error: Declined) -> bool:
        """Whether the platform objects to us, and not to what we sent."""
        return error.code == OTHER_PROTOCOL or (
            error.status in (401, 403) and error.code.startswith(("silo.", "signature."))
        )

    def close(self, error: Declined) -> float:
        """The platform objects to us: stop sending. Seconds until the next poll."""
        self._open.clear()
        if self._said != error.code:
            if error.code == OTHER_PROTOCOL:
                LOG.error("connector.outdated", code=error.code, reason=error.message)
            else:
                LOG.warning("silo.not_active", code=error.code, reason=error.message)
        self._said = error.code
        return PAUSES_S.get(error.code, OTHERWISE_S)
