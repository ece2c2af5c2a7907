"""Whether the locks of the store hold is tried out by two real processes."""

from __future__ import annotations

import fcntl
import logging
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest
from django.core.checks import registry

from artefacts import checks, store
from artefacts.locks import is_granted, locks_hold
from federation.protocol.digests import digest_bytes
from tests.support.at_once import at_once

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


def test_locks_that_can_not_be_tried_out_are_reported_apart(blob_root: Path) -> None:
    (blob_root / "locks").touch()  # no folder
    assert ids() == ["artefacts.W002"]


def test_the_check_is_one_of_the_deployment(blob_root: Path) -> None:
    assert checks.check_locks in registry.registry.get_checks(include_deployment_checks=True)
    assert checks.check_locks not in registry.registry.get_checks()


def put(number: int) -> str:
    """A blob of a few bytes that a committed row names."""
    data = str(number).encode()
    digest = digest_bytes(data)
    store.release(store.put_bytes(data, digest))
    return digest


def test_what_lies_in_many_folders_is_asked_for_a_few_times(blob_root: Path) -> None:
    """The updates of a round of fifty silos lie in fifty folders: to ask for each alone was most of a worker's time."""
    digests = [put(number) for number in range(100)]
    folders = {store.path_of(digest).parent for digest in digests}
    asked: list[set[str]] = []

    def needed(some: Collection[str]) -> set[str]:
        asked.append(set(some))
        return set(some) & {digests[0]}

    assert store.remove_unneeded(digests, needed) == 99
    assert len(folders) > 50
    assert len(asked) <= 8
    assert set().union(*asked) == set(digests)
    assert [digest for digest in digests if store.size_bytes(digest) is not None] == [digests[0]]


def test_what_is_marked_is_neither_asked_for_nor_deleted(blob_root: Path) -> None:
    data = b"put, and not committed yet"
    digest = digest_bytes(data)
    mark = store.put_bytes(data, digest)
    asked: list[str] = []
    others = [put(number) for number in range(5)]

    def needed(some: Collection[str]) -> set[str]:
        asked.extend(some)
        return set()

    assert store.remove_unneeded([digest, *others], needed) == 5
    assert sorted(asked) == sorted(others)
    store.release(mark)
    assert store.remove_unneeded([digest], needed) == 1


def test_two_that_delete_and_two_that_put_wait_for_nobody_for_ever(blob_root: Path) -> None:
    digests = [put(number) for number in range(150)]
    removed: list[int] = []

    def delete(some: list[str]) -> None:
        removed.append(store.remove_unneeded(some, lambda _: set()))

    def put_more() -> None:
        for number in range(150, 200):
            put(number)

    assert at_once(lambda: delete(digests), lambda: delete(digests[::-1]), put_more, put_more) == ["", "", "", ""]
    assert sum(removed) == 150
    assert all(store.size_bytes(digest) is None for digest in digests)
