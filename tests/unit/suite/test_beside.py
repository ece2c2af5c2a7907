"""What runs beside the tests, seen from outside: a pytest of its own, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from demo.services import ROOT


def outcome_of(folder: Path, command: str, *words: str, passes: bool) -> subprocess.CompletedProcess[str]:
    """A run of one test beside a command."""
    (folder / "test_one.py").write_text(f"def test_one():\n    assert {passes}\n")
    own = ("-p", "xdist.plugin", "-p", "tests.support.beside", "-p", "tests.support.tiers")
    # neither our settings, which would start databases, nor the plugins that are installed
    given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    pytest_of_its_own = [sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", f"--rootdir={folder}", *own]
    return subprocess.run(
        [*pytest_of_its_own, "--beside", command, *words, str(folder)],
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [(), ("--numprocesses", "2")], ids=["alone", "in processes"])
def test_a_command_beside_the_tests_runs_once_and_is_shown_whole(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = outcome_of(tmp_path, f"sh -c 'echo run >> {tmp_path}/runs; seq 500; echo also >&2'", *words, passes=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    first = lines.index("1")
    assert lines[first : first + 501] == [*map(str, range(1, 501)), "also"]
    assert (tmp_path / "runs").read_text() == "run\n"
    assert "1 passed" in lines[-1], "the summary is the last line"


@pytest.mark.parametrize(("command", "passes"), [("false", True), ("true", False), ("false", False)])
def test_the_failure_of_either_fails_the_whole(tmp_path: Path, command: str, passes: bool) -> None:
    done = outcome_of(tmp_path, command, passes=passes)
    assert done.returncode == 1
    last = done.stdout.splitlines()[-1]
    assert ("1 passed" in last, "1 failed" in last, "1 error" in last) == (passes, not passes, command == "false")


def test_the_tiers_show_their_time_before_the_summary(tmp_path: Path) -> None:
    for number, name in enumerate(("a", "b", "c", "d", "e")):
        (tmp_path / "tests" / name).mkdir(parents=True)
        text = f"import time\n\n\ndef test_it():\n    time.sleep({number / 10})\n"
        (tmp_path / "tests" / name / f"test_{name}.py").write_text(text)
    done = outcome_of(tmp_path, "true", passes=True)
    *lines, last = done.stdout.splitlines()
    named = [line.split()[-1] for line in lines if line.split()[-1:] and line.split()[-1].startswith("tests/")]
    assert named == ["tests/e", "tests/d", "tests/c", "tests/b"]
    assert "6 passed" in last
