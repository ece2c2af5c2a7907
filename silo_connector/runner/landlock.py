"""What of the file system a plan may see: Python's and torch's own files, to read; by landlock(7), where it is."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NETWORK_RIGHTS = 0b11
"""Binding and connecting TCP sockets, from the fourth version on."""
_SCOPES = 0b11
"""Abstract Unix sockets and signals stay within the session, from the sixth version on."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("file", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version(libc: ctypes.CDLL) -> int:
    """The kernel's version of it; 0 where there is none."""
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))))


def read_only(libc: ctypes.CDLL, folders: Iterable[str]) -> bool:
    """Let this process read in these folders and do nothing else with files; whether the kernel could.

    no_new_privs has to be set.
    """
    found = version(libc)
    if not found:
        return False
    ruleset = _Ruleset(_FILE_RIGHTS[min(found, 5)], _NETWORK_RIGHTS if found >= 4 else 0, _SCOPES if found >= 6 else 0)
    size = 24 if found >= 6 else 16 if found >= 4 else 8
    descriptor = libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if descriptor < 0:
        return False
    try:
        for folder in folders:
            _allow(libc, descriptor, folder)
        return bool(libc.syscall(_RESTRICT_SELF, descriptor, ctypes.c_uint32(0)) == 0)
    finally:
        os.close(descriptor)


def _allow(libc: ctypes.CDLL, ruleset: int, folder: str) -> None:
    """A folder that is not there allows nothing."""
    try:
        parent = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    rule = _PathBeneath(_READ_FILE | _READ_DIR, parent)
    libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0))
    os.close(parent)
