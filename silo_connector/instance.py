"""One process per state folder: a second relay or trainer on the same state is refused."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from federation.errors import Invalid


def acquire_process_lock(folder: Path, process: str) -> int:
    """Hold the folder's lock until this process ends. Raises Invalid ``state.in_use``."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(_file(folder, process), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise Invalid("state.in_use", f"Another {process} is running on {folder}.") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def running(folder: Path, process: str) -> int | None:
    """The id of the process that holds the lock (0 if it can't be determined), or None when nobody does."""
    try:
        descriptor = os.open(_file(folder, process), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 20, 0).strip()
        return int(text) if text.isdigit() else 0
    else:
        return None
    finally:
        os.close(descriptor)


def check_own(state: Path) -> None:
    """Raise Invalid ``state.other_user`` where what we write could not be read by the one who runs the trainer."""
    try:
        owner = state.stat().st_uid
    except OSError as error:
        raise Invalid(
            "state.missing", f"{state} is not there ({error.strerror}): run `silo-connector prepare` first."
        ) from error
    if owner != os.geteuid():
        raise Invalid("state.other_user", f"{state} belongs to user {owner}: run this command as that user.")


def _file(folder: Path, process: str) -> Path:
    return folder / f"{process}.lock"
