"""A real file system that is full after a few kilobytes."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.fences import is_missing


@contextlib.contextmanager
def small_disk(folder: Path, size_kb: int = 64) -> Iterator[Path]:
    """The folder as a file system of its own, in memory.

    Where nothing can be mounted the test fails: what happens on a full disk was not seen. Anyone who has to go on
    all the same names `small-disk` in CONSILIENCE_TESTS_WITHOUT.
    """
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k,mode=0700", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        why = f"no tmpfs can be mounted here ({mounted.stderr.strip()})"
        is_missing("small-disk", why)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, name: str = "ballast", leave: int = 0) -> Path:
    """Take all the room there is, but for so many bytes less than a page."""
    file = folder / name
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        with contextlib.suppress(OSError):
            while os.write(descriptor, b"\0" * 512):
                pass
    finally:
        os.close(descriptor)
    return file
