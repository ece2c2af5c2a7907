"""Whether the store's locks hold: `flock` is taken by everybody at once on some network file systems.

Then two workers could complete a blob and delete it at the same moment. Nothing of that is seen until a file is
missing, so it is tried out: one process holds a lock, and another must not get it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

_PROBE = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR)
try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("refused")
else:
    print("granted")
"""
"""The other process: this interpreter without any of our modules, so that it takes milliseconds."""
PROBE_WITHIN_S = 10.0


class Unprovable(Exception):
    """The locks could not be tried out; the message says why."""


def locks_hold(root: Path) -> bool:
    """Whether a lock that this process holds under `root` is refused to another process of this machine.

    Raises Unprovable. Of two machines that share a folder it says nothing: only they could try it out together.
    """
    path = root / "locks" / f"probe-{os.getpid()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
    except OSError as error:
        raise Unprovable(str(error)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        return not is_granted(path)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unprovable(str(error)) from error
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def is_granted(path: Path) -> bool:
    """Whether another process gets the lock of this file at once. Raises Unprovable, OSError, SubprocessError."""
    command = [sys.executable, "-I", "-S", "-c", _PROBE, str(path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_WITHIN_S, check=False)  # noqa: S603
    answer = result.stdout.strip()
    if answer not in {"granted", "refused"}:
        raise Unprovable(result.stderr.strip()[-300:] or "The probe said nothing.")
    return answer == "granted"
