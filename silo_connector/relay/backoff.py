"""How long to wait before the next attempt: exponential, full jitter, for ever."""

from __future__ import annotations

import random
from collections.abc import Callable

BASE_S = 0.5
CAP_S = 60.0
RETRY_AFTER_MAX_S = 3600.0


class Backoff:
    """Counts failures in a row. Source: M. Brooker, Exponential Backoff And Jitter ("full jitter")."""

    def __init__(self, draw: Callable[[], float] | None = None, cap_s: float = CAP_S) -> None:
        self._draw = draw or random.SystemRandom().random
        self._cap_s = cap_s
        self._failures = 0

    def reset(self) -> None:
        """It went well."""
        self._failures = 0

    def next_s(self, retry_after_s: float | None = None) -> float:
        """Seconds to wait after one more failure; at least what the other side asked for (up to an hour)."""
        bound_s = min(self._cap_s, BASE_S * 2.0 ** min(self._failures, 30))
        self._failures += 1
        wait_s = self._draw() * bound_s
        return wait_s if retry_after_s is None else max(wait_s, min(retry_after_s, RETRY_AFTER_MAX_S))
