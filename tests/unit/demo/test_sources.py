"""The hospitals' records are taken as they are or not at all."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from demo import sources
from demo.hospitals import HOSPITALS
from demo.processes import DemoError


@pytest.fixture
def wheel(tmp_path: Path, heart_disease: Path) -> Path:
    """An archive like the published one: the files deep inside, and code that must not run."""
    path = tmp_path / "fedimpute-0.3.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fedimpute/__init__.py", "raise SystemExit('imported')")
        archive.writestr("fedimpute/example/other.data", "1,2,3\n")
        for hospital in HOSPITALS:
            archive.write(heart_disease / hospital.file, f"fedimpute/example/{hospital.file}")
    return path


def test_the_files_are_found_in_the_archive_by_their_digest(
    tmp_path: Path, wheel: Path, heart_disease: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEMO_DATA", raising=False)
    monkeypatch.setattr(sources, "_download", lambda _folder, _log: wheel)
    sources.fetch(tmp_path / "data", tmp_path / "log")
    for hospital in HOSPITALS:
        assert (tmp_path / "data" / hospital.file).read_bytes() == (heart_disease / hospital.file).read_bytes()
    assert "fedimpute" not in sys.modules


def test_a_file_that_differs_in_one_byte_is_refused(
    tmp_path: Path, heart_disease: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    for hospital in HOSPITALS:
        content = (heart_disease / hospital.file).read_bytes()
        (given / hospital.file).write_bytes(
            content.replace(b"63.0", b"64.0", 1) if hospital is HOSPITALS[0] else content
        )
    monkeypatch.setenv("DEMO_DATA", str(given))
    with pytest.raises(DemoError, match=HOSPITALS[0].file):
        sources.fetch(tmp_path / "data", tmp_path / "log")
    assert not list((tmp_path / "data").glob("*.data"))


def test_a_spoiled_file_is_fetched_again(tmp_path: Path, heart_disease: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_DATA", str(heart_disease))
    sources.fetch(tmp_path / "data", tmp_path / "log")
    spoiled = tmp_path / "data" / HOSPITALS[1].file
    spoiled.write_bytes(b"")
    sources.fetch(tmp_path / "data", tmp_path / "log")
    assert spoiled.read_bytes() == (heart_disease / HOSPITALS[1].file).read_bytes()
