"""The trainer's side of a session with the runner: it sends a batch, and believes nothing that comes back."""

from __future__ import annotations

import math
import os
import select
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import Invalid, Stopped, Transient
from silo_connector import frames
from silo_connector.config import Runner
from silo_connector.frames import Frame
from silo_connector.trainer.refusals import Refused, error_types

_LOOK_EVERY_S = 0.2
_CONNECT_EVERY_S = 0.1
_MEASURES_MAX = 20
_ENDED = {"cpu": "code.timeout", "memory": "code.memory"}
Part = memoryview | bytes


class RunnerLost(Transient):
    """The runner is not there, or went away in the middle: what was under way may be begun again."""

    def __init__(self, reason: str) -> None:
        super().__init__("code.no_runner", reason)


class Session:
    """One connection, for one order. Every call has a time limit, and ends when the order is cancelled."""

    def __init__(
        self,
        connection: socket.socket,
        timeout_s: float,
        should_stop: Callable[[], bool],
        until_s: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._should_stop = should_stop
        self._until_s = until_s
        self._clock = clock
        self._deadline_s = 0.0
        self._looked_s = clock()
        self.lines = 0
        self.measures = self._hello()

    def open(self, source: bytes, head: dict[str, Any]) -> None:
        """Have a plan loaded. Raises Refused ``code.*``, RunnerLost, Stopped."""
        self.lines = source.count(b"\n") + 1
        self.ask("opened", head, [source], 0)

    def ask(self, done: str, head: dict[str, Any], parts: Sequence[Part], answer_bytes_max: int) -> Frame:
        """Send a frame, wait for its answer that says `done`. Raises Refused ``code.*``, RunnerLost, Stopped."""
        self._deadline_s = min(self._clock() + self._timeout_s, self._until_s)
        views = [memoryview(part) for part in parts if len(part)]
        try:
            try:
                for view in (memoryview(frames.encode(head, sum(map(len, views)))), *views):
                    self._send(view)
            except (BrokenPipeError, ConnectionResetError):
                pass  # why it has ended can still be read
            frame = frames.receive(self._receive, answer_bytes_max)
        except (frames.Gone, OSError) as error:
            raise RunnerLost("The runner has gone in the middle of a session.") from error
        except Invalid as error:
            raise Refused("code.wrong_answer", error.message) from error
        self._check(frame, done)
        return frame

    def _hello(self) -> list[str]:
        self._deadline_s = min(self._clock() + self._timeout_s, self._until_s)
        try:
            frame = frames.receive(self._receive, 0)
        except (frames.Gone, OSError, Invalid) as error:
            raise RunnerLost("The runner takes no session now.") from error
        reported = frame.head.get("measures")
        return [str(one)[:80] for one in reported[:_MEASURES_MAX]] if isinstance(reported, list) else []

    def _check(self, frame: Frame, done: str) -> None:
        head = frame.head
        if head.get("done") == done:
            return
        if "ended" in head:
            why = str(head["ended"])[:20]
            raise Refused(_ENDED.get(why, "code.failed"), f"The session's process has ended: {why}.")
        match head.get("error"):
            case "memory":
                raise Refused("code.memory", "The plan asked for more memory than it may have.")
            case "plan":
                what = self._what(head)
                raise Refused("code.failed", f"The plan failed: {what or 'it is not known where'}.", what=what)
        raise Refused("code.wrong_answer", "The plan's functions gave no tensors of the declared shapes.")

    def _what(self, head: dict[str, Any]) -> str:
        """Type and line of a plan's error, if it is a built-in type and a line of the file; nothing else."""
        kind, line = head.get("type"), head.get("line")
        if not isinstance(kind, str) or kind not in error_types():
            return ""
        return f"{kind} in line {line}" if type(line) is int and 1 <= line <= self.lines else kind

    def _send(self, view: memoryview) -> None:
        while view:
            self._wait(select.POLLOUT)
            try:
                view = view[self._connection.send(view) :]
            except BlockingIOError:
                continue

    def _receive(self, buffer: memoryview) -> int:
        while True:
            self._wait(select.POLLIN)
            try:
                return self._connection.recv_into(buffer)
            except BlockingIOError:
                continue
            except ConnectionResetError:
                return 0

    def _wait(self, event: int) -> None:
        poll = select.poll()
        poll.register(self._connection, event)
        while not poll.poll(_LOOK_EVERY_S * 1000):
            self._look()
        self._look()

    def _look(self) -> None:
        """Whether to go on; also while answers drip in, for which nothing is waited long."""
        moment_s = self._clock()
        if moment_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = moment_s
            if self._should_stop():
                raise Stopped("training.stopped", "Training was called off.")
        if moment_s > self._until_s:
            raise Refused("code.timeout", "The plan took longer for the order than this silo allows.")
        if moment_s > self._deadline_s:
            raise Refused("code.timeout", f"The plan did not answer within {self._timeout_s:.0f} s.")


@contextmanager
def session(
    settings: Runner,
    patience_s: float,
    should_stop: Callable[[], bool] = lambda: False,
    until_s: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Session]:
    """A new session, which ends with this context; a runner that is being started is waited for.

    From `until_s` on (by `clock`, in seconds) nothing is waited for: the order has had its time.

    Raises RunnerLost and Stopped.
    """
    with _connected(settings, patience_s, should_stop) as connection:
        yield Session(connection, settings.answer_timeout_s, should_stop, until_s, clock)


def _connected(settings: Runner, patience_s: float, should_stop: Callable[[], bool]) -> socket.socket:
    deadline_s = time.monotonic() + patience_s
    while True:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)  # before it connects too: a runner that hangs takes no connection, for ever
        try:
            _connect(connection, settings.socket)
        except OSError as error:
            connection.close()
            if time.monotonic() > deadline_s:
                raise RunnerLost(f"{settings.socket} can't be reached ({error.strerror}).") from error
        else:
            return connection
        if should_stop():
            raise Stopped("training.stopped", "Training was called off.")
        time.sleep(_CONNECT_EVERY_S)


def _connect(connection: socket.socket, path: Path) -> None:
    """To the very socket that has this name, and to none that a link in its place may lead to."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def floats(frame: Frame, count: int) -> NDArray[np.float32]:
    """The body of an answer: exactly so many finite numbers. Raises Refused ``code.wrong_answer``."""
    if len(frame.body) != 4 * count:
        raise Refused("code.wrong_answer", f"The answer has {len(frame.body)} bytes, not {4 * count}.")
    found = np.frombuffer(frame.body, "<f4")
    if not np.isfinite(found).all():
        raise Refused("code.wrong_answer", "The answer has a number that is not finite.")
    return found
