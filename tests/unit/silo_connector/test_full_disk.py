"""A disk that is full, a real one: no half line stays, nothing leaves, and what waits is done once there is room."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from silo_connector import egress_log
from silo_connector import journal as journals
from silo_connector.appending import Unwritable
from silo_connector.cli import main
from silo_connector.egress_log import EgressEntry, record
from silo_connector.journal import Journal, verify
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.disks import fill, small_disk
from tests.unit.silo_connector.sites import Site

DEPARTURES = [EgressEntry("update", "sha256:" + "0" * 64, 10_000, "order"), EgressEntry("document", "sha256:1", 300)]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as folder:
        yield folder


def entries_of(file: Path) -> list[dict[str, Any]]:
    """Every line, each of which has to be an entry."""
    data = file.read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def test_a_journal_on_a_full_disk_has_whole_lines_only_and_goes_on_when_there_is_room(disk: Path) -> None:
    journal, written = Journal(disk), 0
    ballast = fill(disk)
    ballast.write_bytes(b"\0" * 32_000)

    def write() -> None:
        nonlocal written
        for number in range(10_000):
            journal.add("order.allowed", durable=bool(number % 2), number=number)
            written += 1

    with pytest.raises(Unwritable, match=r"journal\.unwritable: .*No space left.*Make room") as caught:
        write()
    assert isinstance(caught.value, OSError)
    assert 50 < written < 1_000
    assert [entry["n"] for entry in entries_of(disk / journals.FILE)] == list(range(1, written + 1))
    assert verify(disk).lines == written
    with pytest.raises(Unwritable):
        Journal(disk).add("sent")
    ballast.unlink()
    journal.add("sent")
    Journal(disk).add("sent")
    assert verify(disk).lines == written + 2
    assert len(entries_of(disk / journals.FILE)) == written + 2


def test_an_egress_log_on_a_full_disk_has_all_lines_of_what_leaves_or_none(disk: Path) -> None:
    ballast, written = fill(disk), 0
    ballast.write_bytes(b"\0" * 32_000)

    def write() -> None:
        nonlocal written
        for _ in range(10_000):
            record(disk, *DEPARTURES)
            written += 1

    with pytest.raises(Unwritable, match=r"egress_log\.unwritable: .*No space left"):
        write()
    assert 20 < written < 1_000
    assert len(entries_of(disk / egress_log.FILE)) == 2 * written
    ballast.unlink()
    record(disk, *DEPARTURES)
    assert len(entries_of(disk / egress_log.FILE)) == 2 * (written + 1)


def test_a_journal_that_can_not_go_on_in_another_file_goes_on_in_this_one(disk: Path) -> None:
    journal, file = Journal(disk, part_bytes_max=1 << 14), disk / journals.FILE
    file.touch()
    while file.stat().st_size < (1 << 14) - 400:
        journal.add("order.allowed")
    ballast = fill(disk)
    with contextlib.suppress(Unwritable):
        for _ in range(100):
            journal.add("order.allowed")
    before = verify(disk).lines
    ballast.unlink()
    for _ in range(100):
        journal.add("order.allowed")
    assert verify(disk).lines == before + 101  # and the one with which the second file begins
    assert {path.name for path in disk.iterdir()} == {journals.FILE, "journal.000001.jsonl"}


def test_a_command_says_what_to_do_about_a_full_disk(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (disk / "trainer").mkdir()
    file = disk.parent / "connector.toml"
    file.write_text(
        f'platform_url = "https://p.example"\nplatform_key = "{"0" * 32}"\nspool = "s"\n'
        'trainer_state = "disk/trainer"\nrelay_state = "r"\n'
    )
    key = disk.parent / "signatory.key"
    assert main(["key", "make", "--organisation", "Org", "--out", str(key)]) == 0
    assert main(["prepare", "--config", str(file)]) == 0
    fill(disk)
    capsys.readouterr()
    assert main(["key", "certify", "--config", str(file), "--key", str(key)]) == 1
    output = capsys.readouterr().err
    assert "Make room" in output
    assert "[journal.unwritable]" in output


@pytest.fixture
def state_of_its_own(site: Site, tmp_path: Path) -> Iterator[Site]:
    """The trainer's whole state on a disk of its own."""
    kept = site.config.trainer_state.rename(tmp_path / "kept")
    with small_disk(site.config.trainer_state, 4096) as folder:
        for path in kept.iterdir():
            subprocess.run(["cp", "-a", str(path), str(folder)], check=True)
        yield site


@contextlib.contextmanager
def on_a_small_disk(file: Path, disk: Path) -> Iterator[None]:
    """One file of a state on the small disk, all others elsewhere."""
    target = disk / file.name
    target.write_bytes(file.read_bytes() if file.exists() else b"")
    file.touch()
    subprocess.run(["mount", "--bind", str(target), str(file)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(file)], check=True)


@pytest.mark.parametrize(
    ("name", "code"),
    [(journals.FILE, journals.UNWRITABLE), (egress_log.FILE, egress_log.UNWRITABLE)],
    ids=["journal", "egress log"],
)
async def test_nothing_leaves_while_a_log_can_not_be_written_and_the_order_is_done_afterwards(
    site: Site, disk: Path, name: str, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = Trainer(site.config)
    first.start()
    first.process_inbox()
    first.close()
    manifest = site.job()
    order = site.order(manifest)
    file = site.config.trainer_state / name
    with on_a_small_disk(file, disk):
        trainer = Trainer(site.config)
        trainer.start()
        ballast = fill(disk)
        with file.open("ab", buffering=0) as stream:
            while stream.tell() % 4096:  # to the end of the page that the file has
                stream.write(b"\n")
        whole = file.read_bytes()
        site.deliver(order, manifest)
        with caplog.at_level(logging.ERROR):
            trainer.process_inbox()
        assert not (site.outbox / str(order.order_id)).exists()
        assert (site.inbox / str(order.order_id)).exists()
        assert file.read_bytes() == whole
        rows = [vars(record).get("consilience_fields", {}).get("reason", "") for record in caplog.records]
        assert any(one.startswith(code) and "Make room" in one for one in rows), rows
        ballast.unlink()
        trainer.process_inbox()
        site.submission(order)
        assert not (site.inbox / str(order.order_id)).exists()
        trainer.close()


async def test_a_state_without_any_room_loses_nothing(state_of_its_own: Site) -> None:
    site = state_of_its_own
    trainer = Trainer(site.config)
    trainer.start()
    trainer.process_inbox()
    manifest = site.job()
    order = site.order(manifest)
    ballast = fill(site.config.trainer_state)
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert not (site.outbox / str(order.order_id)).exists()
    assert (site.inbox / str(order.order_id)).exists()
    ballast.unlink()
    trainer.process_inbox()
    trainer.close()
    site.submission(order)
    verify(site.config.trainer_state)
    entries_of(site.config.trainer_state / egress_log.FILE)
