"""One process per state folder: a second relay or trainer on the same state is refused."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from federation.errors import Invalid


def claim(folder: Path, process: str) -> int:
    """Hold the folder's lock until this process ends. Raises Invalid ``state.in_use``."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder / f"{process}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Invalid("state.in_use", f"Another {process} is running on {folder}.") from error
    return descriptor
