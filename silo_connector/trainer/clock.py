"""The moment by which the trainer checks: never before one that it has seen, and refused where the clock is far behind.

Anyone who sets a clock back brings an expired agreement, certificate or order to life. What was seen is the newest
of the journal's lines, of the orders that were taken, and of this process' own readings.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from federation.protocol.documents import now

TOLERANCE = timedelta(seconds=120)
"""So far a clock may be set back (NTP does) before it is stated; the seen moment counts meanwhile."""
NOTE_EVERY_S = 3600.0


def is_far_before(seen: datetime) -> bool:
    """Whether the present moment is further before one that was seen than a correction would set a clock back."""
    return now() < seen - TOLERANCE


class Clock:
    """The latest moment seen, and the present one held against it."""

    def __init__(self) -> None:
        self._latest: datetime | None = None
        self._noted_s = time.monotonic()

    def begin(self, seen: datetime | None) -> None:
        """What the journal has seen; whatever was known here before is in the journal by now."""
        self._latest = seen

    def saw(self, moment: datetime) -> None:
        """A moment that a document which was believed names."""
        self._latest = moment if self._latest is None else max(self._latest, moment)

    def now(self) -> datetime:
        """The present moment, or the latest that was seen if that is later."""
        self.saw(now())
        assert self._latest is not None, "it has just been seen"
        return self._latest

    @property
    def latest(self) -> datetime | None:
        """The latest moment seen."""
        return self._latest

    @property
    def is_behind(self) -> bool:
        """Whether the clock is further back than a correction would set it."""
        return self._latest is not None and is_far_before(self._latest)

    def is_to_be_noted(self) -> bool:
        """Whether the journal should have the moment again: once an hour, also where nothing happens."""
        if time.monotonic() - self._noted_s < NOTE_EVERY_S:
            return False
        self._noted_s = time.monotonic()
        return True
