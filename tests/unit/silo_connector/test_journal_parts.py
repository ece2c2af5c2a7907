"""A journal of many files: the chain goes over all of them, so does every reader, and none needs more memory for it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tracemalloc
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from federation.errors import FederationError
from federation.protocol.digests import digest_bytes
from silo_connector import journal as journals
from silo_connector import spool
from silo_connector.cli import main
from silo_connector.folders import SafeDir
from silo_connector.journal import FILE, Journal, all_entries, entries, raw_lines, start_new_journal, verify
from silo_connector.journal_parts import CONTINUED, earlier_parts
from silo_connector.trainer.store.audit_checkpoints import heads_seen
from silo_connector.trainer.store.own_orders import OwnOrders
from silo_connector.trainer.store.state_check import compared, noted_head
from silo_connector.trainer.trainer import Trainer
from tests.support.every import every
from tests.unit.silo_connector.sites import ROOT, Site
from tests.unit.silo_connector.states import MEMORY, hand, put_back, remember
from tests.unit.silo_connector.test_checkpoints import ordered

PART_BYTES = 1000


def written(folder: Path, count: int = 30) -> list[Path]:
    """A journal of several files, the oldest first."""
    journal = Journal(folder, part_bytes_max=PART_BYTES)
    for number in range(count):
        journal.add("order.allowed", durable=False, number=number)
    files = [*earlier_parts(folder), folder / FILE]
    assert len(files) > 3
    return files


def test_each_file_goes_on_from_the_last_line_of_the_one_before(tmp_path: Path) -> None:
    files = written(tmp_path)
    assert [file.name for file in files[:-1]] == [f"journal.{number:06}.jsonl" for number in range(1, len(files))]
    for before, file in every(pairwise(files)):
        last, first = before.read_bytes().splitlines()[-1], json.loads(file.read_bytes().splitlines()[0])
        assert first["before"] == digest_bytes(last)
        assert first["n"] == json.loads(last)["n"] + 1
        assert (first["event"], first["follows"]) == (CONTINUED, before.name)
        assert before.stat().st_size < PART_BYTES
    numbers = [entry["number"] for entry in entries(tmp_path, "order.allowed")]
    assert numbers == list(range(30))
    assert verify(tmp_path).lines == 30 + len(files) - 1
    Journal(tmp_path).add("sent")
    assert verify(tmp_path).lines == 31 + len(files) - 1


def drop_first_line(data: bytes) -> bytes:
    return data.split(b"\n", 1)[1]


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize(
    "how",
    [
        lambda data: data.replace(b"order.allowed", b"order.alloved", 1),
        drop_first_line,
        lambda data: data[: data.rindex(b"{")],
        lambda data: data.replace(b".jsonl", b".jsonk", 1).replace(b'"number": 0', b'"number": 9'),
        lambda data: b"",
        None,
    ],
    ids=["changed", "first line removed", "last line removed", "names another file", "emptied", "gone"],
)
def test_whatever_is_done_to_a_file_breaks_the_chain(
    tmp_path: Path, how: Callable[[bytes], bytes] | None, at: int
) -> None:
    file = written(tmp_path)[at]
    if how is None:
        file.unlink()
    else:
        data = how(file.read_bytes())
        file.unlink()
        file.write_bytes(data)
    with pytest.raises(FederationError, match=r"journal\.broken"):
        verify(tmp_path)
    assert list(all_entries(tmp_path))  # what can be read is


def test_a_file_can_not_take_the_place_of_another(tmp_path: Path) -> None:
    first, second, *_ = written(tmp_path)
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    with pytest.raises(FederationError, match=r"journal\.broken"):
        verify(tmp_path)


def test_a_file_that_names_itself_is_read_once(tmp_path: Path) -> None:
    file = tmp_path / "journal.000001.jsonl"
    file.write_text(json.dumps({"n": 1, "before": None, "event": CONTINUED, "follows": file.name}) + "\n")
    (tmp_path / FILE).write_bytes(file.read_bytes())
    assert len(list(raw_lines(tmp_path))) == 2
    with pytest.raises(FederationError, match=r"journal\.broken"):
        verify(tmp_path)


def test_an_end_that_was_cut_off_is_seen_over_files(tmp_path: Path) -> None:
    files = written(tmp_path)
    noted = verify(tmp_path)
    files[-2].rename(tmp_path / FILE)
    with pytest.raises(FederationError, match="the end is cut off"):
        verify(tmp_path, noted)


def test_two_processes_write_one_chain_of_many_files(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from silo_connector.journal import Journal;"
        f"journal = Journal(Path({str(tmp_path)!r}), part_bytes_max=2000);"
        "[journal.add('sent', durable=False, number=n) for n in range(200)]"
    )
    started = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    verify(tmp_path)
    assert sum(1 for _ in entries(tmp_path, "sent")) == 400
    assert len(earlier_parts(tmp_path)) > 20


class PowerCut(BaseException):
    """The process ends here."""


STEPS: list[tuple[object, str]] = [
    (os, "fsync"),
    (journals, "name_for"),
    (journals, "append_whole"),
    (os, "link"),
    (Path, "replace"),
    (SafeDir, "sync"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS, ids=[name for _, name in STEPS])
def test_a_power_cut_while_a_file_is_begun_leaves_the_chain_whole(
    tmp_path: Path, step: tuple[object, str], after: bool
) -> None:
    owner, name = step
    for _ in range(6):
        Journal(tmp_path).add("order.allowed")
    lines, part_bytes = 6, (tmp_path / FILE).stat().st_size
    real = getattr(owner, name)

    def cut(*arguments: Any, **options: Any) -> None:
        if after:
            real(*arguments, **options)
        raise PowerCut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, cut)
        with pytest.raises(PowerCut):
            Journal(tmp_path, part_bytes_max=part_bytes).add("sent")
    assert verify(tmp_path).lines in (lines, lines + 1)
    second = Journal(tmp_path, part_bytes_max=part_bytes)
    second.add("sent")
    second.add("sent")
    assert verify(tmp_path).lines == lines + 3
    assert [part.name for part in earlier_parts(tmp_path)] == ["journal.000001.jsonl"]
    assert sum(1 for _ in entries(tmp_path, "sent")) == 2


def test_with_a_journal_all_of_its_files_are_put_aside(tmp_path: Path) -> None:
    count = len(written(tmp_path))
    aside = start_new_journal(tmp_path, "state.accepted", {})
    assert aside is not None
    assert verify(tmp_path).lines == 1
    assert len(list(tmp_path.glob("*.until-*"))) == count
    journal = Journal(tmp_path, part_bytes_max=PART_BYTES)
    for _ in range(30):
        journal.add("sent")
    assert verify(tmp_path).lines > 31


async def test_every_reader_goes_over_all_files(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.config.path.write_text(f"{site.config.path.read_text()}\n[journal]\npart_bytes_max = 65536\n")
    config = replace(site.config, journal_part_bytes_max=PART_BYTES)
    manifest, orders = site.job(), []
    head = hand(site, ordered(site, 10))
    for number in range(1, 6):
        orders.append(site.order(manifest, number=number, round=number))
        site.deliver(orders[-1], manifest)
        trainer = Trainer(config)
        trainer.start()
        trainer.process_inbox()
        trainer.close()
        if number == 1:
            remember(site)
    state = config.trainer_state
    assert len(earlier_parts(state)) > 5
    assert compared(config).older == []
    assert compared(config).highest[str(head.silo_id)] >= 5
    own = {one.order_id: one for one in OwnOrders(state)[str(manifest.job_id)]}
    assert set(own) == {str(order.order_id) for order in orders}
    for order in every(orders):
        assert own[str(order.order_id)].answers == {
            digest_bytes((site.outbox / str(order.order_id) / spool.DOCUMENT).read_bytes())
        }
    assert {one.position for heads in heads_seen(state).values() for one in heads} == {10}
    assert noted_head(config).lines <= verify(state).lines
    command = ["--config", str(site.config.path)]
    assert await asyncio.to_thread(main, ["journal", "verify", *command]) == 0
    assert f"lines in {len(earlier_parts(state)) + 1} files" in capsys.readouterr().out
    put_back(site, site.folder / "backup", *MEMORY)
    assert any("number 2 belongs" in str(one) for one in compared(config).older)
    assert (
        await asyncio.to_thread(main, ["accept-state", "--key", str(site.folder / "signatory.key"), "--yes", *command])
        == 0
    )
    assert compared(config).older == []


def peak_bytes(what: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        what()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("part_bytes", [10_000, 1 << 30], ids=["many files", "one file"])
async def test_no_reader_s_memory_grows_with_the_journal(site: Site, part_bytes: int) -> None:
    """Ten times as many lines, and not a tenth more memory, though they are a megabyte."""
    Trainer(site.config).close()
    state = site.config.trainer_state
    readers: Mapping[str, Callable[[], object]] = {
        "verify": lambda: verify(state),
        "add": lambda: Journal(state).add("moment.seen", durable=False),
        "compare": lambda: compared(site.config),
        "entries": lambda: deque(all_entries(state), maxlen=0),
        "own orders": lambda: OwnOrders(state).get("no job"),
    }
    journal = Journal(state, part_bytes_max=part_bytes)
    for read in readers.values():
        read()  # what is loaded once is loaded
    peaks: defaultdict[str, list[int]] = defaultdict(list)
    for count in (300, 2_700):
        for number in range(count):
            journal.add("sent", durable=False, purpose="dataset", digest=f"sha256:{number:064}", size_bytes=number)
        for name, read in readers.items():
            peaks[name].append(min(peak_bytes(read) for _ in range(2)))  # other threads may ask for memory, too
    assert sum(1 for _ in raw_lines(state)) >= 3_000
    for name, (few, many) in every(peaks.items()):
        assert many < 1.1 * few + 100_000, (name, few, many)  # names of files take some
