"""Child processes: they end when they are instructed to, and with their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from demo.processes import Child, DemoError, run, stop_together, tail
from tests.support.patience import FAILS_AFTER_S, until

ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])}
TOGETHER = """
import pathlib, signal, sys, time
told = pathlib.Path({folder!r})

def stop(*_):
    (told / {name!r}).touch()
    while len(list(told.iterdir())) < {count}:
        time.sleep(0.02)
    sys.exit()

signal.signal(signal.SIGTERM, stop)
print('up', flush=True)
while True:
    time.sleep(60)
"""
STARTER = """
import pathlib, time
from demo.processes import Child
child = Child('sleeper', ['sleep', '60'], pathlib.Path({log!r}), {{'PATH': '/bin:/usr/bin'}})
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


def child(tmp_path: Path, code: str, name: str = "child", **options: float) -> Child:
    """A Python process with some code."""
    return Child(name, [sys.executable, "-c", code], tmp_path / f"{name}.log", ENVIRONMENT, **options)  # type: ignore[arg-type]


def wait_for(log: Path, text: str) -> None:
    """Until a log holds a text."""
    until(f"{text!r} stands in {log}", lambda: text in tail(log))


def test_what_ignores_the_signal_is_killed_with_its_own_children(tmp_path: Path) -> None:
    deaf = child(tmp_path, f"import os; os.fork()\n{DEAF}", stop_timeout_s=0.5)
    deaf.start()
    wait_for(deaf.log, "deaf\ndeaf")
    grandchildren = psutil.Process(deaf.pid).children()
    assert len(grandchildren) == 1
    deaf.stop()
    assert deaf.returncode == -signal.SIGKILL
    psutil.wait_procs(grandchildren, timeout=FAILS_AFTER_S)
    assert not grandchildren[0].is_running() or grandchildren[0].status() == psutil.STATUS_ZOMBIE


def test_a_child_dies_with_who_started_it(tmp_path: Path) -> None:
    starter = STARTER.format(log=str(tmp_path / "log"))
    with subprocess.Popen(
        [sys.executable, "-c", starter], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        sleeper = psutil.Process(int(supervisor.stdout.readline()))
        command = Path(f"/proc/{sleeper.pid}/comm")
        while command.read_text().strip() != "sleep":  # until then it is the program that arranges for the end
            time.sleep(0.02)
        supervisor.kill()
    sleeper.wait(FAILS_AFTER_S)


def test_several_processes_are_stopped_together(tmp_path: Path) -> None:
    """Each ends only when all have been asked to: one after the other they would be killed."""
    reported, names = tmp_path / "told", [f"child-{number}" for number in range(4)]
    reported.mkdir()
    children = [
        child(tmp_path, TOGETHER.format(folder=str(reported), name=name, count=len(names)), name) for name in names
    ]
    for one in children:
        one.start()
    for one in children:
        wait_for(one.log, "up")
    stop_together(children)
    assert [one.returncode for one in children] == [0, 0, 0, 0]


def test_an_end_that_nobody_asked_for_is_reported_with_the_log(tmp_path: Path) -> None:
    failing = child(tmp_path, "print('the reason'); raise SystemExit(3)")
    failing.start()
    wait_for(failing.log, "the reason")
    while failing.running:
        time.sleep(0.02)
    with pytest.raises(DemoError, match="exit status 3") as caught:
        failing.check()
    assert caught.value.log == failing.log


def test_peak_memory_is_kept_after_the_end(tmp_path: Path) -> None:
    hungry = child(
        tmp_path, "held = bytearray(64 << 20); print('full', flush=True); del held; import time; time.sleep(60)"
    )
    hungry.start()
    wait_for(hungry.log, "full")
    assert hungry.peak_rss_mb > 64
    hungry.stop()
    assert hungry.peak_rss_mb > 64


def test_a_command_that_fails_or_hangs_says_which(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(DemoError, match="The thing failed"):
        run([sys.executable, "-c", "raise SystemExit('no')"], environment=ENVIRONMENT, log=log, what="The thing")
    assert "no" in log.read_text()
    with pytest.raises(DemoError, match="did not end within"):
        run(["sleep", "10"], environment=ENVIRONMENT, log=log, what="It", timeout_s=0.2)
