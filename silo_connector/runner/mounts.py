"""That reading leaves no trace: what one order's plan has read would show to another's by times of last access.

Landlock lets sessions read Python's files, and stops nobody from asking for a file's times. A session therefore makes
every mount read-only in a mount namespace of its own, where the system lets it: the kernel notes no access there. Where
it does not (Docker's own profile), what is mounted decides: read-only, or ``noatime``; ``relatime`` is not enough.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_ATTR_RDONLY = 1
_MS_PRIVATE = 1 << 18
_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")
_FOLDERS_WITH_LINKS = ("/dev", "/proc")


@dataclass(frozen=True)
class Mount:
    """A file system as it is mounted here, and whether reading in it is noted."""

    point: str
    notes_access: bool


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("user_namespace", ctypes.c_uint64),
    )


def make_read_only(libc: ctypes.CDLL) -> bool:
    """Make all mounts of this process' own namespace read-only (mount_setattr(2)); whether the kernel did."""
    wanted = _Attributes(_ATTR_RDONLY, 0, _MS_PRIVATE, 0)
    size = ctypes.c_size_t(ctypes.sizeof(wanted))
    flags = ctypes.c_uint(_AT_RECURSIVE)
    return bool(libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, b"/", flags, ctypes.byref(wanted), size) == 0)


def noting(folders: Iterable[str] | None, table: Path = _MOUNTS) -> list[str]:
    """Where reading is noted: the mount points that hold these folders or lie in them; all of them for None."""
    mounts = _mounts(table)
    if folders is None:
        return sorted({mount.point for mount in mounts if mount.notes_access})
    found = set[str]()
    for folder in map(os.path.realpath, folders):
        within = [mount for mount in mounts if _is_in(mount.point, folder)]
        holding = [mount for mount in mounts if _is_in(folder, mount.point)]
        found |= {mount.point for mount in (*within, *_topmost(holding)) if mount.notes_access}
    return sorted(found)


def read_links() -> None:
    """Follow what links there are beside a read-only root, so that no session is the one that did.

    Following a link is noted too, and can't be fenced; under ``relatime`` once a day, which is now. A name that goes
    meanwhile is none of our links.
    """
    for folder in _FOLDERS_WITH_LINKS:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_symlink():
                    with contextlib.suppress(OSError):
                        Path(entry.path).readlink()


def _mounts(table: Path) -> list[Mount]:
    """The kernel's table (proc_pid_mountinfo(5)): one that can't be read is one mount, which notes."""
    try:
        lines = table.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return [Mount("/", notes_access=True)]
    found = []
    for line in lines:
        before, _, after = line.partition(" - ")
        own, of_system = before.split(" "), after.split(" ")
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), own[4])
        options = {*own[5].split(","), *(("ro",) if "ro" in of_system[2].split(",") else ())}
        found.append(Mount(point, notes_access=not options & {"ro", "noatime"}))
    return found


def _topmost(holding: list[Mount]) -> list[Mount]:
    """The mount that a folder is really in: the one with the longest name, and of two on one place the later."""
    return [max(reversed(holding), key=lambda mount: len(mount.point))] if holding else []


def _is_in(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(f"{folder}/")
