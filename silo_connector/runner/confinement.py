"""What a session gives up before it reads its first byte. What the kernel can't do is left out, and said."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass

from silo_connector.gpus import HIDDEN
from silo_connector.runner import landlock, mounts, syscalls
from silo_connector.sandbox_measures import LANDLOCK, LIMITS, NETWORK, NO_TRACES, NOBODY, PRIVILEGES, SECCOMP

_NOBODY = 65534
_FILES_MAX = 64
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x04000000, 0x08000000, 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION = 0x20080522


@dataclass(frozen=True)
class Limits:
    """What one session may use: seconds of processor, bytes of memory beyond the runner's own, folders to read in."""

    cpu_s: int
    memory_bytes: int
    readable: tuple[str, ...] = ()


def confine(connection: int, limits: Limits, parent: int) -> list[str]:
    """Keep this process to its connection (descriptor 3 from then on) and to arithmetic; the measures that took."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # for the next line: what can't be inspected does not own its /proc
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
        score.write("1000")
    _keep_only(connection)
    os.environ.clear()
    os.environ |= HIDDEN
    taken = [*_leave_namespaces(libc), *_change_user()]
    noting, noting_readable = mounts.noting(None), mounts.noting(limits.readable)  # later /proc can't be read
    _bound(limits)
    taken.append(LIMITS)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)  # the runner went before it could be asked to take us along
    _drop_capabilities(libc)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        taken.append(PRIVILEGES)
        if landlock.read_only(libc, limits.readable):
            taken.append(LANDLOCK)
        if syscalls.forbid_all_but_arithmetic(libc):
            taken.append(SECCOMP)
    if not (noting_readable if LANDLOCK in taken else noting):
        taken.append(NO_TRACES)
    return taken


def not_inspected() -> None:
    """Let nobody but root look into this process: neither its memory nor its descriptors."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def readable() -> tuple[str, ...]:
    """Where Python's own files and those of installed packages lie."""
    paths = sysconfig.get_paths()
    return tuple(sorted({paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}))


def _keep_only(connection: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    connection = os.dup(connection) if connection < 4 else connection
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.dup2(connection, 3)
    os.closerange(4, 1 << 20)
    sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115


def _leave_namespaces(libc: ctypes.CDLL) -> Iterator[str]:
    """Where the system does not let us, by a user namespace of our own: that needs no privilege."""
    wanted = _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWUTS
    for more in (_CLONE_NEWNS, _CLONE_NEWNS | _CLONE_NEWUSER, 0, _CLONE_NEWUSER):
        if libc.unshare(wanted | more) == 0:
            if more & _CLONE_NEWNS:
                mounts.make_read_only(libc)  # whether it took is looked at afterwards
            yield NETWORK
            return


def _change_user() -> Iterator[str]:
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        yield NOBODY


def _bound(limits: Limits) -> None:
    """Hard, so that they can't be raised again."""
    data, everything = _memory()
    for kind, value in (
        (resource.RLIMIT_DATA, data + limits.memory_bytes),
        (resource.RLIMIT_AS, everything + limits.memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, _FILES_MAX),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        value = value if hard < 0 else min(value, hard)
        resource.setrlimit(kind, (value, value))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + limits.cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))


def _memory() -> tuple[int, int]:
    """Bytes of private writable memory, and of all address space, in use now."""
    with open("/proc/self/status") as status:  # noqa: PTH123
        by_name = dict(line.split(":", 1) for line in status)
    data, everything = (int(by_name[name].split()[0]) * 1024 for name in ("VmData", "VmSize"))
    return data, everything


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    libc.capset(ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
