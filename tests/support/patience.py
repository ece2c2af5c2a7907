"""How long tests wait for a fact before they fail, and how they wait.

It is no pause and no measurement: a test goes on as soon as what it waits for is there. It only ends what hangs, and is
so long that a machine with much other work is slow and nothing else. It is shorter than the time-out of a whole test
(`timeout` in pyproject.toml), so that a test says itself what did not come.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

FAILS_AFTER_S = 600.0
FAILS_AFTER_MS = FAILS_AFTER_S * 1000
"""The same as Playwright counts."""
LOOK_EVERY_S = 0.05

T = TypeVar("T")


def attempts(what: str, *, every_s: float = LOOK_EVERY_S) -> Iterator[None]:
    """Look once more, and once more: `for _ in attempts("a round is open")`, left as soon as it is so.

    Where a look costs the process that is asked some of the time in which it should get on, `every_s` is longer.
    """
    fails_at = time.monotonic() + FAILS_AFTER_S
    while time.monotonic() < fails_at:
        yield
        time.sleep(every_s)
    pytest.fail(f"not within {FAILS_AFTER_S:.0f} s: {what}")


def until(what: str, condition: Callable[[], T]) -> T:
    """Wait for something to become true, and return it."""
    for _ in attempts(what):
        if found := condition():
            return found
    raise AssertionError("`attempts` ends by failing")
