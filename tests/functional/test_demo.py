"""The demo as a person starts it: processes of its own, in folders of its own, ended by Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser

from demo.hospitals import DATA_SCIENTIST
from demo.services import ROOT, temporary_folder
from tests.support.patience import FAILS_AFTER_S, attempts
from tests.support.windows import DRAWN, SCREENSHOTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
PICTURES = SCREENSHOTS / "docs"
KEYS = [
    *("ok", "silos", "rounds", "strategy", "accuracy_per_silo", "accuracy_pooled", "install_s", "start_s", "train_s"),
    *("bytes_up", "bytes_down", "peak_rss_mb", "agreement", "refusals_tested", "audit"),
]
PROCESSES = {"postgres", "redis", "web", "worker", "notifications", "beat"} | {
    f"{part}-{silo}" for part in ("relay", "trainer") for silo in ("cleveland", "budapest", "switzerland", "longbeach")
}


@contextmanager
def new_folder() -> Iterator[Path]:
    """A folder through which an unprivileged PostgreSQL may pass."""
    made = temporary_folder("test")
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One test's own."""
    with new_folder() as made:
        yield made


def environment(heart_disease: Path, folder: Path) -> dict[str, str]:
    """A person's shell, with the data at hand."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "DEMO_DATA": str(heart_disease), "DEMO_DIR": str(folder), "TMPDIR": str(folder)}


def processes_in(folder: Path) -> list[str]:
    """Command lines of what runs on behalf of a folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "environ"]):
        known = [*(process.info["cmdline"] or []), *(process.info["environ"] or {}).values(), process.info["cwd"] or ""]
        if process.pid != os.getpid() and any(str(folder) in text for text in known):
            found.append(" ".join(process.info["cmdline"] or ["?"]))
    return found


def command(heart_disease: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of the demo, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "demo", *words],
        cwd=ROOT,
        env=environment(heart_disease, folder),
        capture_output=True,
        text=True,
        timeout=FAILS_AFTER_S,
        check=False,
    )


def check_figures(line: str) -> None:
    """It has trained to the end, and this line says so."""
    figures = json.loads(line)
    assert list(figures) == KEYS
    assert (figures["ok"], figures["silos"], figures["rounds"], figures["strategy"]) == (True, 4, 15, "fedadam")
    assert figures["accuracy_pooled"] >= 0.72
    rows = {"cleveland": 104, "budapest": 89, "switzerland": 16, "longbeach": 45}
    assert set(figures["accuracy_per_silo"]) == set(rows)
    correct = sum(round(figures["accuracy_per_silo"][silo] * count) for silo, count in rows.items())
    assert figures["accuracy_pooled"] == pytest.approx(correct / 254, abs=5e-5)
    assert set(figures["peak_rss_mb"]) == PROCESSES
    assert all(size > 1 for size in figures["peak_rss_mb"].values())
    assert figures["bytes_up"] > 0
    assert figures["bytes_down"] > 0
    assert (figures["agreement"]["members"], figures["agreement"]["signatures"]) == (5, 5)
    assert figures["agreement"]["hash"].startswith("sha256:")
    assert figures["refusals_tested"] == {"agreement.purpose": 5}, "once by the platform, once by each silo"
    assert figures["audit"]["verified"] is True
    assert figures["audit"]["events"] > 100


class Demo:
    """A `make demo` that somebody watches, started with SIGINT ignored as a shell starts what is in the background."""

    def __init__(self, heart_disease: Path, folder: Path, *words: str) -> None:
        self.log = folder.parent / f"{folder.name}.out"
        with self.log.open("w") as stream:
            self.process = subprocess.Popen(
                ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "demo", "run", *words],
                cwd=ROOT,
                env=environment(heart_disease, folder),
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def wait_for(self, text: str) -> str:
        """Everything printed, once it holds a text."""
        printed = ""
        for _ in attempts(f"the demo prints {text!r}"):
            if text in (printed := self.log.read_text()):
                break
            assert self.process.poll() is None, printed
        return printed

    def stop(self, which: signal.Signals) -> int:
        """Interrupt it, as Ctrl-C or a shutdown does."""
        self.process.send_signal(which)
        return self.process.wait(FAILS_AFTER_S)

    def end(self) -> None:
        """Leave nothing running, whatever happened."""
        if self.process.poll() is None:
            self.stop(signal.SIGINT)
        self.log.unlink(missing_ok=True)


def take_pictures(chromium: Browser, url: str, job: str, password: str) -> None:
    """What README and docs show (`make pictures` takes them over): a scientist's pages of a job on real records."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    context = chromium.new_context(base_url=url, viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    page = context.new_page()
    page.goto("/sign-in/")
    page.get_by_label("E-mail address").fill(DATA_SCIENTIST.email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
    for name, address in {
        "home": "/",
        "job": f"/jobs/{job}/",
        "silos": f"/jobs/{job}/silos/",
        "report": f"/jobs/{job}/report/",
    }.items():
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200
        page.wait_for_function(DRAWN)
        page.screenshot(path=PICTURES / f"{name}.png")
    page.goto(f"/jobs/{job}/")
    page.locator("a[href*='/launch/']").first.click()
    page.wait_for_url("**/launch/**")
    page.screenshot(path=PICTURES / "launch.png")
    context.close()


@pytest.fixture(scope="module")
def interrupted(heart_disease: Path) -> Iterator[Path]:
    """The folder of a demo that somebody stopped by Ctrl-C while it trained: what the next one goes on from."""
    with new_folder() as folder:
        demo = Demo(heart_disease, folder)
        try:
            demo.wait_for("after round  2/15")
            assert demo.stop(signal.SIGINT) == 0
            assert "Everything has been stopped" in demo.log.read_text()
            assert not processes_in(folder)
            assert "job" in json.loads((folder / "demo.json").read_text())
            yield folder
        finally:
            demo.end()


def test_demo_goes_on_where_it_was_and_shows_what_to_look_at(
    heart_disease: Path, interrupted: Path, chromium: Browser
) -> None:
    demo = Demo(heart_disease, interrupted, "--figures")
    try:
        printed = demo.wait_for("Ctrl-C stops it.")
        assert "launched before; going on" in printed
        assert "after round 15/15" in printed
        assert "no patient" in printed.lower()
        (line,) = [line for line in printed.splitlines() if line.startswith('{"ok"')]
        check_figures(line)
        remembered = json.loads((interrupted / "demo.json").read_text())
        jobs = set(re.findall(r"/jobs/([0-9a-f-]{36})/", printed))
        assert jobs == {remembered["job"]}
        take_pictures(chromium, f"http://127.0.0.1:{remembered['port']}", remembered["job"], remembered["password"])
        second = command(heart_disease, interrupted, "run")
        assert second.returncode == 1
        assert "A demo is running in" in second.stdout
        assert demo.stop(signal.SIGTERM) == 0
        assert not processes_in(interrupted)
    finally:
        demo.end()


@pytest.mark.long
def test_demo_check_trains_from_nothing_and_leaves_nothing(heart_disease: Path, folder: Path) -> None:
    done = command(heart_disease, folder, "check")
    assert done.returncode == 0, done.stdout + done.stderr
    *lines, last = done.stdout.splitlines()
    check_figures(last)
    assert any("after round 15/15" in line for line in lines)
    assert not processes_in(folder)
    assert not list(folder.glob("consilience-*")), "nothing is left of a run that went well"


def test_a_failure_names_its_reason_and_shows_the_log(folder: Path) -> None:
    empty = folder / "empty"
    empty.mkdir()
    done = command(empty, folder, "check")
    assert done.returncode == 1
    body = json.loads(done.stdout.splitlines()[-1])
    assert body["ok"] is False
    assert "by SHA-256" in body["reason"]
    assert not processes_in(folder)
