"""The runner's parent: takes connections and gives each a process of its own. It never reads what comes over them."""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from federation.errors import Invalid
from silo_connector import frames
from silo_connector.logs import Log
from silo_connector.runner import mounts, session
from silo_connector.runner.confinement import Limits, confine

LOG = Log("runner")
SESSIONS_MAX = 4
_PROBE_S = 30.0
_MODE = 0o660


@dataclass
class Session:
    """A child and the parent's own hold on its connection."""

    connection: socket.socket
    started_s: float


class Server:
    """One thread, which waits for connections, for children that end, and for trainers that go."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._sessions: dict[int, Session] = {}
        self._ended, self._wake = socket.socketpair()

    def measures(self) -> list[str]:
        """What a session is confined by here, reported by one that is made for this only."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.settimeout(_PROBE_S)
            child = self._fork(theirs)
            theirs.close()
            try:
                hello = frames.receive(ours.recv_into, 0)
            except (frames.Gone, OSError) as error:
                raise Invalid("runner.unusable", "No session can be made and confined here.") from error
            finally:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        return [str(one) for one in hello.head["measures"]]

    def serve(self) -> None:
        """For ever."""
        self._ended.setblocking(False)
        self._wake.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        with _listening(self._path) as listener:
            while True:
                self._look(listener)

    def _look(self, listener: socket.socket) -> None:
        poll = select.poll()
        poll.register(listener, select.POLLIN)
        poll.register(self._ended, select.POLLIN)
        by_descriptor = {one.connection.fileno(): child for child, one in self._sessions.items()}
        for descriptor in by_descriptor:
            poll.register(descriptor, select.POLLRDHUP)
        for descriptor, _ in poll.poll():
            if descriptor == listener.fileno():
                self._accept(listener)
            elif descriptor in by_descriptor:  # the trainer has gone: so does the session
                with contextlib.suppress(ProcessLookupError):
                    os.kill(by_descriptor[descriptor], signal.SIGKILL)
                self._reap(by_descriptor[descriptor], 0, "closed")
        with contextlib.suppress(BlockingIOError):
            while self._ended.recv(4096):
                pass
        for child in list(self._sessions):
            self._reap(child, os.WNOHANG)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            if len(self._sessions) >= SESSIONS_MAX:
                LOG.warning("runner.busy", sessions=len(self._sessions))
                connection.close()
                return
            child = self._fork(connection)
            self._sessions[child] = Session(connection, time.monotonic())
            LOG.info("session.begun", session=child)

    def _fork(self, connection: socket.socket) -> int:
        runner = os.getpid()
        mounts.read_links()
        child = os.fork()
        if child:
            return child
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            session.run(confine(connection.fileno(), self._limits, runner), self._limits.memory_bytes)
            os._exit(0)
        finally:
            os._exit(1)

    def _reap(self, child: int, options: int, why: str | None = None) -> None:
        if child not in self._sessions:
            return
        found, status, used = os.wait4(child, options)
        if not found:
            return
        ended = self._sessions.pop(child)
        why = why or _why(status, used, self._limits)
        with ended.connection, contextlib.suppress(OSError):
            ended.connection.send(frames.encode({"ended": why}, 0), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        seconds = round(time.monotonic() - ended.started_s, 3)
        cpu_s = round(used.ru_utime + used.ru_stime, 3)
        by_name = {"why": why, "status": status, "seconds": seconds, "cpu_s": cpu_s, "memory_kb": used.ru_maxrss}
        LOG.info("session.ended", session=child, **by_name)


def _why(status: int, used: resource.struct_rusage, limits: Limits) -> str:
    """How a session ended, as reported to the trainer: `exit`, `cpu`, `memory` or `crash`."""
    if not os.WIFSIGNALED(status):
        return "exit"
    number = os.WTERMSIG(status)
    if number == signal.SIGXCPU or (number == signal.SIGKILL and used.ru_utime + used.ru_stime >= limits.cpu_s):
        return "cpu"
    return "memory" if number == signal.SIGKILL else "crash"


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(_MODE)
        listener.listen(SESSIONS_MAX)
        yield listener
