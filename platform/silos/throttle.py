"""How often a silo may ask: so many requests a minute each, counted in this process.

A token bucket that fills evenly and holds ten seconds' worth. Only what is known to be the silo's counts: neither a
stranger who names it nor a request that is sent again takes anything from it.
"""

from __future__ import annotations

import math
import threading
import time
from uuid import UUID

from django.conf import settings

from realtime.http import Refused

BURST_S = 10.0
_SILOS_MAX = 10_000
_lock = threading.Lock()
_buckets: dict[UUID, tuple[float, float]] = {}
"""How many requests are left, and when that was so."""


def check(silo_id: UUID) -> None:
    """Raise Refused 429 ``silo.throttled`` when nothing is left."""
    _left(silo_id, taken=0)


def count_request(silo_id: UUID) -> None:
    """Count one request."""
    _left(silo_id, taken=1)


def reset() -> None:
    """Begin again."""
    with _lock:
        _buckets.clear()


def _left(silo_id: UUID, taken: int) -> None:
    a_second = settings.THROTTLE_SILO_PER_MIN / 60
    size, now = max(1.0, a_second * BURST_S), time.monotonic()
    with _lock:
        left, at = _buckets.get(silo_id, (size, now))
        left = min(size, left + (now - at) * a_second)
        if left < 1:
            wait_s = math.ceil((1 - left) / a_second)
            raise Refused(
                429,
                "silo.throttled",
                f"This silo may make {settings.THROTTLE_SILO_PER_MIN:g} requests a minute. Wait {wait_s} s.",
                [(b"retry-after", str(wait_s).encode())],
            )
        if taken:
            if len(_buckets) >= _SILOS_MAX:
                _buckets.clear()
            _buckets[silo_id] = (left - taken, now)
