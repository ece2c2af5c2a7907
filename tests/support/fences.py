"""Fences of the kernel that tests need: name spaces, Landlock, system call filters, access times, a small disk.

Where the kernel lacks one, the test fails: what protects patients' data has not been seen to work there. Anyone who
has to run the tests on such a kernel all the same names the fence in CONSILIENCE_TESTS_WITHOUT (several with commas).
"""

from __future__ import annotations

import os
from typing import Literal, NoReturn

import pytest

Fence = Literal[
    "landlock-and-seccomp", "mount-namespace", "network-namespace", "access-times", "small-disk", "postgresql-15"
]
VARIABLE = "CONSILIENCE_TESTS_WITHOUT"


def is_missing(fence: Fence, why: str) -> NoReturn:
    """Fail the test, or skip it where somebody allows that."""
    if fence in os.environ.get(VARIABLE, "").replace(" ", "").split(","):
        pytest.skip(f"{why}: {VARIABLE} allows it")
    pytest.fail(f"{why}. {VARIABLE}={fence} lets the tests pass without; what they would show is then not shown.")
