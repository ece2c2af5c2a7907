"""A child process that the demo owns: started in a session of its own, logged to a file, stopped in good order."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

TAIL_LINES = 25


class DemoError(Exception):
    """The demo can't go on, and why; with the log that reports more, when there is one."""

    def __init__(self, reason: str, log: Path | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.log = log


def dies_with_parent(stop_signal: signal.Signals = signal.SIGTERM) -> list[str]:
    """The prefix that ends a child when its parent is killed outright; nothing where setpriv is missing."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", stop_signal.name.removeprefix("SIG"), "--"] if setpriv else []


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 16384))
            return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


@dataclass
class Child:
    """One process under the demo's care. `uid` is the unprivileged user to run as, for what refuses to run as root."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    cwd: Path | None = None
    uid: int | None = None
    gid: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 60.0
    wrapper: Sequence[str] = ()
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _asked_to_stop: bool = field(default=False, init=False, repr=False)
    _peak_rss_bytes: int = field(default=0, init=False, repr=False)

    @property
    def pid(self) -> int | None:
        """The process id, once started."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """How it ended, if it did."""
        return self._process.poll() if self._process else None

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        return "it is running" if (code := self.returncode) is None else describe_exit(code)

    def start(self) -> None:
        """Start it; what it prints is appended to its log."""
        if self.running:
            raise DemoError(f"{self.name} is running already.")
        self._asked_to_stop = False
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [*self.wrapper, *dies_with_parent(self.stop_signal), *self.command]
        with self.log.open("ab") as stream:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env=dict(self.environment),
                cwd=self.cwd,
                user=self.uid,
                group=self.gid,
                extra_groups=[] if self.uid is not None else None,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise DemoError when it has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise DemoError(f"{self.name} ended by itself ({describe_exit(code)}).", self.log)

    def kill(self) -> None:
        """SIGKILL, at once and without a word: what an outage looks like."""
        if self._process is not None:
            self._signal(signal.SIGKILL)
            self._process.wait()

    def ask_to_stop(self) -> None:
        """Send it its stop signal, and don't wait."""
        if self._process is not None and self._process.poll() is None:
            self.sample()
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(self.stop_signal)
            self._asked_to_stop = True

    def stop(self) -> None:
        """Ask it to end, wait, and kill what is left of its session."""
        if self._process is None:
            return
        if not self._asked_to_stop:
            self.ask_to_stop()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(self.stop_timeout_s)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, which: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, which)

    def sample(self) -> None:
        """Note the peak resident memory of its largest process, as the kernel has kept it."""
        if self.running and (pid := self.pid):
            self._peak_rss_bytes = max(self._peak_rss_bytes, *(peak_rss_bytes(each) for each in family(pid)), 0)

    @property
    def peak_rss_mb(self) -> float:
        """The largest resident set of any of its processes so far, in megabytes."""
        self.sample()
        return round(self._peak_rss_bytes / 1e6, 1)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return [pid]


def peak_rss_bytes(pid: int) -> int:
    """The kernel's high-water mark of a process's resident set (VmHWM), 0 when it is gone."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except (OSError, IndexError, ValueError):
        return 0
    return 0


def describe_exit(code: int) -> str:
    """An exit status in words."""
    return f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def stop_together(children: Iterable[Child]) -> None:
    """Ask all to end, then wait for each."""
    children = list(children)
    for child in children:
        child.ask_to_stop()
    for child in children:
        child.stop()


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    log: Path,
    what: str,
    timeout_s: float = 600.0,
    cwd: Path | None = None,
    given: str | None = None,
) -> str:
    """Run a command to its end and return what it printed; `given` is its input.

    A failure raises DemoError, names `what` and leaves the output in the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            command,
            env=dict(environment),
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            input=given or "",
        )
    except subprocess.TimeoutExpired as error:
        raise DemoError(f"{what} did not end within {timeout_s:.0f} s.", log) from error
    with log.open("a") as stream:
        stream.write(done.stderr)
    if done.returncode != 0:
        raise DemoError(f"{what} failed ({describe_exit(done.returncode)}).", log)
    return done.stdout


def wait_until_gone(pid: int, timeout_s: float) -> bool:
    """Whether a process ends in time; one that its parent has not yet been informed of has ended."""
    deadline = time.monotonic() + timeout_s
    while _is_alive(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
