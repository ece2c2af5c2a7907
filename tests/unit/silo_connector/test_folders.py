"""What lies in a shared folder is never followed, waited for, or trusted in size."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from federation.errors import Invalid
from silo_connector import folders
from silo_connector.folders import SafeDir


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[SafeDir]:
    (tmp_path / "shared").mkdir()
    with SafeDir.open(tmp_path / "shared") as found:
        yield found


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(Invalid) as caught:
        call()
    return caught.value.code


def test_a_regular_file_is_read(folder: SafeDir, tmp_path: Path) -> None:
    (tmp_path / "shared" / "file").write_bytes(b"12345")
    assert folder.read("file", 5) == b"12345"


def test_links_are_not_followed(folder: SafeDir, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "shared" / "link").symlink_to(secret)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "shared" / "folder").symlink_to(tmp_path / "elsewhere")
    assert code_of(lambda: folder.read("link", 100)) == "spool.not_regular"
    assert code_of(lambda: folder.append("link")) == "spool.not_regular"
    assert code_of(lambda: folder.folder("folder")) == "spool.not_regular"
    assert not folder.is_folder("folder")
    folder.write("link", b"mine")
    assert secret.read_text() == "secret"
    folder.remove("folder")
    assert (tmp_path / "elsewhere").is_dir()


def test_a_pipe_is_not_waited_for(folder: SafeDir, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "shared" / "pipe")
    assert code_of(lambda: folder.read("pipe", 100)) == "spool.not_regular"
    assert code_of(lambda: folder.append("pipe")) == "spool.not_regular"


def test_a_directory_is_no_file_and_a_file_no_directory(folder: SafeDir, tmp_path: Path) -> None:
    (tmp_path / "shared" / "inner").mkdir()
    (tmp_path / "shared" / "file").touch()
    assert code_of(lambda: folder.read("inner", 100)) == "spool.not_regular"
    assert code_of(lambda: folder.folder("file")) == "spool.not_regular"
    assert code_of(lambda: folder.make_folder("file")) == "spool.not_regular"


def test_sizes_are_bounded_also_while_reading(folder: SafeDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "shared" / "file"
    file.write_bytes(b"x" * 11)
    assert code_of(lambda: folder.read("file", 10)) == "spool.too_large"
    real = SafeDir.open_file

    def grows(self: SafeDir, name: str, size_max: int) -> object:
        stream = real(self, name, 1000)
        with file.open("ab") as more:
            more.write(b"y" * 100)
        return stream

    monkeypatch.setattr(SafeDir, "open_file", grows)
    assert code_of(lambda: folder.read("file", 50)) == "spool.too_large"


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc/passwd", "a\0b", "x" * 256, "é" * 128])
def test_a_name_is_one_component(folder: SafeDir, name: str) -> None:
    assert code_of(lambda: folder.read(name, 10)) == "spool.name"
    assert code_of(lambda: folder.create(name)) == "spool.name"


def test_missing_things_have_a_code(folder: SafeDir, tmp_path: Path) -> None:
    assert code_of(lambda: folder.read("nothing", 10)) == "spool.missing"
    assert code_of(lambda: folder.folder("nothing")) == "spool.missing"
    assert code_of(lambda: SafeDir.open(tmp_path / "nothing")) == "spool.missing"
    folder.remove("nothing")


def test_too_many_entries_are_refused(folder: SafeDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        (tmp_path / "shared" / str(number)).touch()
    assert folder.names() == ["0", "1", "2", "3"]
    monkeypatch.setattr(folders, "NAMES_MAX", 3)
    assert code_of(folder.names) == "spool.too_many"


def test_replace_leaves_no_half(folder: SafeDir, tmp_path: Path) -> None:
    folder.replace("file", b"old")
    folder.replace("file", b"new")
    assert folder.read("file", 10) == b"new"
    assert folder.names() == ["file"]


def test_link_where_possible_and_a_copy_where_not(
    folder: SafeDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"update")
    folder.link_or_copy(source, "linked")
    assert (tmp_path / "shared" / "linked").stat().st_ino == source.stat().st_ino

    def crosses(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "cross-device")

    monkeypatch.setattr(os, "link", crosses)
    folder.link_or_copy(source, "copied")
    assert folder.read("copied", 10) == b"update"
    assert (tmp_path / "shared" / "copied").stat().st_ino != source.stat().st_ino


def test_a_tree_too_deep_to_remove_is_left_and_no_fault(folder: SafeDir, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "shared", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    folder.remove("d")
    os.system(f"rm -rf {tmp_path}/shared/d")
