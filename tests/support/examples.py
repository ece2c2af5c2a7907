"""How many examples a property is tried with: few for each change, many in `make test-long`."""

from __future__ import annotations

from hypothesis import settings

LONG = "long"
"""The profile of `make test-long`, which `--hypothesis-profile` loads before the tests are imported."""
TIMES = 20


def is_long() -> bool:
    """Whether this run has the time."""
    return settings.get_current_profile_name() == LONG


def examples(count: int) -> int:
    """So many for each change, and `TIMES` as many where there is time."""
    return count * TIMES if is_long() else count
