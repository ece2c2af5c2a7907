"""What stays on site for people to read: the egress journal, the log, the lock."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from federation.errors import Invalid
from silo_connector import instance, logs
from silo_connector.egress_log import FILE, EgressEntry, record
from tests.unit.silo_connector.sites import ROOT


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_the_journal_says_when_what_and_why(tmp_path: Path) -> None:
    record(tmp_path, EgressEntry("update", "sha256:1", 5, "order"), EgressEntry("document", "sha256:2", 6, "order"))
    record(tmp_path, EgressEntry("dataset", "sha256:3", 7))
    found = lines(tmp_path / FILE)
    assert [line["purpose"] for line in found] == ["update", "document", "dataset"]
    assert {"at", "purpose", "digest", "size_bytes", "order_id"} == set(found[0])


def test_the_journal_goes_on_after_half_a_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"at": "2026-01-0')
    record(tmp_path, EgressEntry("update", "sha256:1", 5))
    assert json.loads((tmp_path / FILE).read_text().splitlines()[1])["digest"] == "sha256:1"


def test_the_journal_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    record(tmp_path, EgressEntry("update", "sha256:1", 5))
    assert len(synced) == 1


def test_a_journal_that_is_a_link_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        record(tmp_path, EgressEntry("update", "sha256:1", 5))


def test_the_log_is_json_lines_and_rotates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES_MAX", 2000)
    logs.configure("relay", tmp_path)
    log = logs.Log("relay")
    try:
        for number in range(30):
            log.info("order.received", order_id="x" * 40, number=number)
        try:
            raise ValueError("why")
        except ValueError as error:
            log.error("order.fault", trace=error, name="\udcff")
        last = lines(tmp_path / "relay.jsonl")[-1]
        assert (last["event"], last["level"], last["process"]) == ("order.fault", "error", "relay")
        assert "ValueError: why" in str(last["trace"])
        assert len(list(tmp_path.iterdir())) > 1
        assert len(list(tmp_path.iterdir())) <= 1 + logs.FILES_KEPT
    finally:
        root = logging.getLogger("silo_connector")
        for handler in root.handlers:
            handler.close()
        root.handlers.clear()
        root.propagate = True
        root.setLevel(logging.NOTSET)


def test_the_lock_is_held_by_one_and_freed_by_its_end(tmp_path: Path) -> None:
    assert instance.running(tmp_path, "relay") is None
    code = (
        "import sys, time; from pathlib import Path; from silo_connector.instance import acquire_process_lock;"
        f"acquire_process_lock(Path({str(tmp_path)!r}), 'relay'); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert instance.running(tmp_path, "relay") == holder.pid
        with pytest.raises(Invalid, match=r"state\.in_use"):
            instance.acquire_process_lock(tmp_path, "relay")
        holder.kill()
    os.close(instance.acquire_process_lock(tmp_path, "relay"))
