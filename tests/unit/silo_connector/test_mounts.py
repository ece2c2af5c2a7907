"""Reading that leaves no trace: which mounts note it, and that a session's own do not."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from silo_connector.config import Runner
from silo_connector.doctor.agreements import look_at_runner
from silo_connector.doctor.findings import State
from silo_connector.runner import mounts
from silo_connector.sandbox_measures import LANDLOCK, MEASURES, NO_TRACES
from silo_connector.trainer.sandbox import remote
from tests.support.fences import is_missing
from tests.unit.silo_connector.sites import ROOT

CONTAINER = """\
510 420 0:48 / / ro,relatime master:1 - overlay overlay rw,lowerdir=/var/lib/l
511 510 0:52 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
512 510 0:53 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
513 510 0:54 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw
514 510 8:1 /volumes/runner /run/consilience rw,relatime - ext4 /dev/sda1 rw
"""
HOST = """\
27 1 8:1 / / {root} - ext4 /dev/sda1 {system}
30 27 8:2 / /srv/with\\040space {under} - xfs /dev/sda2 rw
31 30 8:3 / /srv/with\\040space/lib/torch {below} shared:4 - xfs /dev/sda3 rw
"""
REPORT = "Access times of Python's files tell one order's plan what another's has read."
LIB = "/srv/with space/lib"


READS = """
import ctypes, os, sys
from silo_connector.runner import mounts
libc = ctypes.CDLL(None, use_errno=True)
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
if libc.unshare(0x10020000) or not mounts.make_read_only(libc):
    sys.exit(77)
assert mounts.noting(None) == [], mounts.noting(None)
assert os.read(os.open(sys.argv[1], os.O_RDONLY), 10) == b"read"
"""


def host(tmp_path: Path, root: str = "rw,relatime", under: str = "rw,relatime", below: str = "rw,noatime") -> Path:
    table = tmp_path / "mountinfo"
    system = "ro" if root == "system" else "rw"
    table.write_text(
        HOST.format(root="rw,relatime" if root == "system" else root, system=system, under=under, below=below)
    )
    return table


def test_in_a_container_with_a_read_only_root_nothing_that_can_be_read_notes_it(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(CONTAINER)
    assert mounts.noting(["/usr/local/lib/python3.11"], table) == []
    assert mounts.noting(["/run/consilience/x"], table) == ["/run/consilience"]
    assert mounts.noting(None, table) == ["/dev", "/proc", "/run/consilience", "/tmp"]


def test_what_counts_is_the_mount_of_the_folder_and_those_below_it(tmp_path: Path) -> None:
    assert mounts.noting([LIB], host(tmp_path)) == ["/srv/with space"]
    assert mounts.noting([LIB], host(tmp_path, under="rw,nodev,noatime")) == []
    assert mounts.noting([LIB], host(tmp_path, under="ro,relatime")) == []
    assert mounts.noting([LIB], host(tmp_path, under="ro", below="rw,nodiratime")) == [f"{LIB}/torch"]
    assert mounts.noting(["/usr/lib"], host(tmp_path)) == ["/"]
    assert mounts.noting(["/usr/lib"], host(tmp_path, root="system")) == []
    assert mounts.noting(["/usr/lib"], tmp_path / "gone") == ["/"], "what can't be looked at is not passed"


def test_somebody_without_rights_reads_without_a_trace() -> None:
    """The way that a runner goes which is not root: a name space of users first."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        file, link = folder / "file", folder / "link"
        file.write_text("read")
        link.symlink_to(file)
        for path in (file, link):
            os.utime(path, (1, 2), follow_symlinks=False)
        done = subprocess.run([sys.executable, "-c", READS, str(link)], cwd=ROOT, check=False, capture_output=True)
        if done.returncode == 77:
            is_missing("mount-namespace", "this system gives nobody a name space of mounts")
        assert done.returncode == 0, done.stderr.decode()
        assert [path.lstat().st_atime for path in (file, link)] == [1, 1]
        link.read_text()
        if file.stat().st_atime == 1:
            is_missing("access-times", "this file system notes no access at all")


def test_links_beside_a_read_only_root_are_read_before_each_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "stdin"
    link.symlink_to("/proc/self/fd/0")
    os.utime(link, (1, 2), follow_symlinks=False)
    tick = tmp_path / "tick"
    tick.touch()
    while tick.stat().st_mtime <= link.lstat().st_ctime:
        tick.touch()  # until the file system's clock has gone on
    monkeypatch.setattr(mounts, "_FOLDERS_WITH_LINKS", (str(tmp_path), str(tmp_path / "nowhere")))
    mounts.read_links()
    noted = link.lstat().st_atime
    if noted == 1:
        is_missing("access-times", "this file system notes no access at all")
    link.readlink()
    assert link.lstat().st_atime == noted, "it is noted once a day"


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ({NO_TRACES}, [REPORT]),
        ({LANDLOCK}, ["It runs without: landlock."]),
        (
            {LANDLOCK, NO_TRACES},
            [
                "It runs without: landlock.",
                "Access times of Python's files tell one order's plan what another's has read.",
            ],
        ),
    ],
)
def test_the_doctor_says_what_is_to_be_mounted_how(
    missing: set[str], says: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Opened:
        measures = [one for one in MEASURES if one not in missing]

        def __enter__(self) -> Opened:
            return self

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(remote, "session", lambda *_: Opened())
    found = list(look_at_runner(Runner(Path("/run/x.socket"))))
    assert [(one.state, one.detail) for one in found] == [(State.WARN, one_report) for one_report in says]
    if NO_TRACES in missing:
        assert "noatime" in found[-1].remedy
