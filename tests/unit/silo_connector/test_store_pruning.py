"""What the trainer keeps does not grow for ever, and what was done once is done once for ever."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import BlobReference, Order, OrderKind
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store import jobs as jobs_module
from silo_connector.trainer.store import order_store
from silo_connector.trainer.store.order_store import FILE, Memory, Outcome
from silo_connector.trainer.store.pruning import JOBS_KEPT, ORDERS_KEPT
from silo_connector.trainer.store.state_check import compared
from silo_connector.trainer.trainer import Trainer
from tests.support.every import every
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.states import MEMORY, put_back, remember, run_once, trained

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SILO = "silo"
DIGEST = "sha256:" + "0" * 64


class Calendar:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.moment = BEGIN

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def calendar(monkeypatch: pytest.MonkeyPatch) -> Calendar:
    found = Calendar()
    monkeypatch.setattr(order_store, "now", found)
    monkeypatch.setattr(jobs_module, "now", found)
    return found


@pytest.fixture
def memory(tmp_path: Path, calendar: Calendar) -> Iterator[Memory]:
    found = Memory(tmp_path)
    yield found
    found.close()


def order_of(job_id: UUID, number: int, round_: int, model: str = DIGEST) -> Order:
    return Order(
        inputs={"model": BlobReference(digest=model, size_bytes=1, url=f"/connector/v1/blobs/{model}")},
        order_id=uuid5(job_id, str(number)),
        number=number,
        silo_id=uuid5(job_id, SILO),
        job_id=job_id,
        manifest_digest=DIGEST,
        kind=OrderKind.TRAIN,
        round=round_,
        attempt=1,
        issued_at=BEGIN,
        expires_at=BEGIN + timedelta(days=1),
    )


def do(memory: Memory, order: Order, number: int) -> None:
    memory.take(str(order.order_id), SILO, number)
    memory.jobs.check_order(order)
    memory.jobs.allow(order, DIGEST, b"manifest", b"agreement")
    memory.finish(Outcome(str(order.order_id), b"answer"))


def counts(folder: Path) -> dict[str, int]:
    """Of every table there is."""
    with closing(sqlite3.connect(folder / FILE)) as database:
        tables = [str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {one: database.execute(f"SELECT count(*) FROM {one}").fetchone()[0] for one in tables}


def test_no_table_grows_with_the_years(memory: Memory, calendar: Calendar, tmp_path: Path) -> None:
    memory._database.execute("PRAGMA synchronous = OFF")  # the years are to pass quickly
    number, seen = 0, {}
    for day in range(1300):
        calendar.moment = BEGIN + timedelta(days=day)
        if day % 10 == 0:
            job_id = uuid4()
        for round_ in (1, 2):
            number += 1
            do(memory, order_of(job_id, number, day % 10 * 2 + round_), number)
        memory.register(f"data-{day % 3}", str(day))
        memory.forget(calendar.moment)
        if day in (650, 1299):
            seen[day] = counts(tmp_path)
    assert set(seen[650]) >= {"orders", "numbers", "jobs", "allowed", "registrations", "journal_head", "number_marks"}
    for table, count in every(seen[1299].items()):
        assert count <= seen[650][table] + 3, table
    assert 0 < seen[1299]["orders"] <= 2 * (ORDERS_KEPT.days + 1)
    assert 0 < seen[1299]["jobs"] <= JOBS_KEPT.days / 10 + 2
    assert memory.highest_number(SILO) == number


def test_a_number_that_was_left_out_is_refused_by_the_mark(memory: Memory, calendar: Calendar) -> None:
    job_id = uuid4()
    for number in (3, 7):
        do(memory, order_of(job_id, number, number), number)
    calendar.moment += timedelta(days=30)
    late = order_of(job_id, 5, 8)
    do(memory, late, 5)
    calendar.moment += ORDERS_KEPT - timedelta(days=20)
    memory.forget(calendar.moment)
    assert memory.owner(SILO, 7) is None
    assert memory.owner(SILO, 5) == str(late.order_id)  # younger, and so it stays although its number is lower
    for number in (1, 3, 6, 7):
        with pytest.raises(Refused) as caught:
            memory.take(f"again {number}", SILO, number)
        assert (caught.value.code, caught.value.highest_number) == ("order.number_reused", 7)
        assert memory.finish(Outcome(f"again {number}", b"refusal")).document == b"refusal"
    with pytest.raises(Refused):
        memory.take(str(order_of(job_id, 7, 7).order_id), SILO, 7)
    with pytest.raises(Refused):
        memory.take("another", SILO, 5)
    assert memory.take(str(late.order_id), SILO, 5) == 2
    assert memory.take("next", SILO, 8) == 1
    assert memory.take("of another silo", "other", 1) == 1
    assert memory.silos() == {SILO, "other"}


def test_what_comes_again_and_again_is_kept(memory: Memory, calendar: Calendar) -> None:
    order = order_of(uuid4(), 1, 1)
    do(memory, order, 1)
    for _ in range(5):
        calendar.moment += timedelta(days=50)
        assert memory.answer_again(str(order.order_id)) is not None
        memory.forget(calendar.moment)
    assert memory.owner(SILO, 1) == str(order.order_id)


def test_the_last_round_of_a_job_stays_as_long_as_the_job(memory: Memory, calendar: Calendar, tmp_path: Path) -> None:
    job_id = uuid4()
    for number in (1, 2, 3):
        do(memory, order_of(job_id, number, number), number)
    calendar.moment += timedelta(days=200)
    memory.forget(calendar.moment)
    assert counts(tmp_path)["allowed"] == 1
    with pytest.raises(Refused, match=r"order\.reordered"):
        memory.jobs.check_order(order_of(job_id, 4, 2))
    with pytest.raises(Refused, match=r"model\.swapped"):
        memory.jobs.check_order(order_of(job_id, 4, 3, "sha256:" + "1" * 64))
    with pytest.raises(Refused, match=r"manifest\.changed"):
        memory.jobs.check_order(order_of(job_id, 4, 4).model_copy(update={"manifest_digest": "other"}))
    memory.jobs.check_known(job_id, BEGIN)


def test_orders_of_no_round_come_before_and_after_any(memory: Memory) -> None:
    job_id = uuid4()
    for number, kind in ((1, OrderKind.RESERVE), (3, OrderKind.RELEASE)):
        do(memory, order_of(job_id, number, 0).model_copy(update={"kind": kind, "inputs": {}}), number)
        do(memory, order_of(job_id, number + 1, number), number + 1)
    with pytest.raises(Refused, match=r"order\.reordered"):
        memory.jobs.check_order(order_of(job_id, 5, 0))
    other = order_of(job_id, 5, 0).model_copy(update={"kind": OrderKind.RELEASE, "manifest_digest": "other"})
    with pytest.raises(Refused, match=r"manifest\.changed"):
        memory.jobs.check_order(other)


def test_a_job_that_was_left_out_does_not_begin_again(memory: Memory, calendar: Calendar, tmp_path: Path) -> None:
    job_id = uuid4()
    do(memory, order_of(job_id, 1, 1), 1)
    calendar.moment += JOBS_KEPT + timedelta(days=1)
    memory.forget(calendar.moment)
    assert counts(tmp_path)["jobs"] == counts(tmp_path)["allowed"] == 0
    with pytest.raises(Refused, match=r"job\.state_lost"):
        memory.jobs.check_known(job_id, BEGIN - timedelta(hours=1))
    memory.jobs.check_known(uuid4(), BEGIN + timedelta(days=1))


def test_a_moment_that_goes_back_brings_nothing_back(memory: Memory, calendar: Calendar) -> None:
    do(memory, order_of(uuid4(), 9, 1), 9)
    memory.forget(BEGIN + timedelta(days=500))
    before = memory.forgotten_before
    memory.forget(BEGIN + timedelta(days=100))
    assert memory.forgotten_before == before
    assert memory.highest_number(SILO) == 9


def age(site: Site, days: int) -> None:
    """Let everything in journal and memory be so much older."""

    def older(value: str) -> str:
        return (datetime.fromisoformat(value) - timedelta(days=days)).isoformat(timespec="milliseconds")

    state = site.config.trainer_state
    lines, before = [], None
    for line in map(json.loads, (state / "journal.jsonl").read_text().splitlines()):
        entry: dict[str, Any] = {**line, "at": older(line["at"]), "before": before}
        text = json.dumps(entry)
        lines.append(text)
        before = digest_bytes(text.encode())
    (state / "journal.jsonl").write_text("".join(f"{line}\n" for line in lines))
    with closing(sqlite3.connect(state / FILE)) as database, database:
        for table, column in (
            ("orders", "seen_at"),
            ("orders", "taken_at"),
            ("jobs", "begun_at"),
            ("allowed", "allowed_at"),
        ):
            for key, value in database.execute(f"SELECT rowid, {column} FROM {table}").fetchall():
                database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (older(value), key))
        database.execute("UPDATE journal_head SET lines = ?, digest = ?", (len(lines), before))


async def test_a_trainer_that_has_left_out_is_not_older_than_its_journal_and_one_that_was_put_back_is(
    site: Site,
) -> None:
    manifest = site.job()
    for number in (1, 2):
        trained(site, number, manifest=manifest, round=number)
    age(site, ORDERS_KEPT.days + 10)
    trained(site, 3, manifest=manifest, round=3)
    backup = remember(site)
    trained(site, 4, manifest=manifest, round=4)
    assert compared(site.config).older == []
    memory = Memory(site.config.trainer_state)
    (silo_id,) = memory.silos()
    assert [memory.owner(silo_id, number) is None for number in (1, 2, 3, 4)] == [True, True, False, False]
    memory.close()
    again = site.order(manifest, number=2, round=5)
    site.deliver(again, manifest)
    run_once(site)
    assert site.refusal(again) == "order.number_reused"
    assert compared(site.config).older == []
    put_back(site, backup, *MEMORY)
    assert any("number 4 belongs" in str(one) for one in compared(site.config).older)
    trainer = Trainer(site.config)
    trainer.start()
    assert trainer.is_locked
    trainer.close()
