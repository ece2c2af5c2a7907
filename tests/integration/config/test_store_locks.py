"""Whether the locks of the store hold is tried out by two real processes."""

from __future__ import annotations

import fcntl
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import registry

from artefacts import checks
from artefacts.locks import is_granted, locks_hold

HOLDER = """
import fcntl, os, sys
handle = os.open(sys.argv[1], os.O_RDWR)
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock"
    path.touch()
    return path


def ids() -> list[str | None]:
    return [found.id for found in checks.check_locks()]


def test_a_lock_that_nobody_holds_is_granted_and_a_held_one_is_refused(lock: Path) -> None:
    assert is_granted(lock)
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert not is_granted(lock)
        holder.kill()
    assert is_granted(lock)


def test_the_locks_of_a_local_folder_hold_and_leave_nothing(blob_root: Path) -> None:
    assert locks_hold(blob_root)
    assert list((blob_root / "locks").iterdir()) == []
    assert ids() == []


def test_locks_that_everybody_gets_are_warned_of(
    blob_root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """This process's lock does nothing, as on such a file system: the other process really gets it."""
    monkeypatch.setattr(fcntl, "flock", lambda handle, operation: None)
    assert ids() == ["artefacts.W001"]
    with caplog.at_level(logging.WARNING):
        checks.log_unsafe_locks()
    assert "artefacts.W001" in caplog.text
    assert "files may be lost" in caplog.text


def test_locks_that_can_not_be_tried_out_are_told_apart(blob_root: Path) -> None:
    (blob_root / "locks").touch()  # no folder
    assert ids() == ["artefacts.W002"]


def test_the_check_is_one_of_the_deployment(blob_root: Path) -> None:
    assert checks.check_locks in registry.registry.get_checks(include_deployment_checks=True)
    assert checks.check_locks not in registry.registry.get_checks()
