"""One file under several names, and answers that outlive the memory: statistics are asked of rows, not of names."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from federation.protocol.digests import digest_file
from federation.protocol.documents import Manifest
from federation.statistics.disclosure import MINIMUM_CELL_LEAST
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.migrations import MIGRATIONS, migrate
from silo_connector.trainer.store.order_store import FILE, Memory
from silo_connector.trainer.store.statistics import ADMITTED, DatasetFile, RowState
from tests.unit.silo_connector.sites import TINY, Site, make_site_again
from tests.unit.silo_connector.states import command, put_all_back_but_the_journal, remember, run_once, started
from tests.unit.silo_connector.test_hostile_statistics import AGREED, EDGES, answer, job, order

DAY = datetime(2026, 5, 5, 12, tzinfo=UTC)
WITH_EDGES = TINY.replace('"a", type = "number"', f'"a", type = "number", {EDGES}')
OTHER_EDGES = WITH_EDGES.replace("[0.0, 2.0, 4.0, 6.0]", "[0.0, 1.0, 4.0, 6.0]")


def state(rows: int, mark: str = "0") -> RowState:
    return RowState("sha256:" + mark * 64, rows)


def code_of(
    memory: Memory, dataset: DatasetFile, rows: RowState, per_day_max: int = 3, *, minimum_cell: int = 5
) -> str:
    try:
        memory.statistics.admit(dataset, uuid4(), rows, DAY, per_day_max=per_day_max, minimum_cell=minimum_cell)
    except Refused as refused:
        return refused.code
    return ""


@pytest.fixture
def memory() -> Any:
    found = Memory(None)
    yield found
    found.close()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.csv"
    file.write_text("a\n1\n2\n")
    return file


def another_name_of(rows: Path, how: str) -> DatasetFile:
    other = rows.with_name("other.csv")
    match how:
        case "the same place":
            return DatasetFile("second", rows.parent / "." / rows.name)
        case "a link":
            other.symlink_to(rows)
            return DatasetFile("second", other)
        case _:
            other.write_bytes(rows.read_bytes())
            return DatasetFile("second", other, digest_file(other))


@pytest.mark.parametrize("how", ["the same place", "a link", "a copy"])
def test_a_second_name_of_a_file_shares_its_day_and_its_rows(memory: Memory, rows: Path, how: str) -> None:
    first, second = DatasetFile("first", rows, digest_file(rows)), another_name_of(rows, how)
    assert code_of(memory, first, state(100)) == ""
    assert code_of(memory, second, state(100, "1")) == "statistics.rows_too_near"
    assert code_of(memory, second, state(103, "2")) == "statistics.rows_too_near"
    assert code_of(memory, first, state(100)) == "statistics.per_day"
    assert code_of(memory, second, state(100)) == "statistics.per_day"
    assert code_of(memory, DatasetFile("third", rows.with_name("else"), "sha256:0"), state(103)) == ""


def test_two_sources_that_turn_out_to_be_one_file_keep_what_both_have_answered(memory: Memory, rows: Path) -> None:
    elsewhere = DatasetFile("b", rows.with_name("else.csv"), "sha256:1")
    assert code_of(memory, DatasetFile("a", rows, "sha256:0"), state(100), 4) == ""
    assert code_of(memory, elsewhere, state(200, "3"), 4) == ""
    linked = DatasetFile("b", rows, "sha256:0")  # the steward has put the first one's file there
    assert code_of(memory, linked, state(103, "1"), 4) == "statistics.rows_too_near"
    assert code_of(memory, elsewhere, state(203, "2"), 4) == "statistics.rows_too_near"
    assert code_of(memory, DatasetFile("a", rows, "sha256:0"), state(100), 4) == "statistics.per_day"


def test_a_copy_that_was_asked_for_in_vain_is_known_when_it_has_changed(memory: Memory, rows: Path) -> None:
    first, copy = DatasetFile("first", rows, digest_file(rows)), another_name_of(rows, "a copy")
    assert code_of(memory, first, state(100), 1) == ""
    assert code_of(memory, copy, state(100), 1) == "statistics.per_day"
    assert copy.path is not None
    copy.path.write_text("a\n1\n2\n3\n")
    changed = DatasetFile("second", copy.path, digest_file(copy.path))
    assert code_of(memory, changed, state(101, "1")) == "statistics.rows_too_near"


def test_an_agreement_of_a_smaller_minimum_cell_comes_no_nearer_to_an_answer_under_a_larger(
    memory: Memory, rows: Path
) -> None:
    dataset = DatasetFile("first", rows)
    line = memory.statistics.admit(dataset, uuid4(), state(100), DAY, per_day_max=9, minimum_cell=20)
    lost = Memory(None)
    lost.statistics.restore([line])
    for known in (memory, lost):
        assert code_of(known, dataset, state(105, "1"), 9) == "statistics.rows_too_near"
        assert code_of(known, dataset, state(119, "2"), 9) == "statistics.rows_too_near"
        assert code_of(known, dataset, state(120, "3"), 9) == ""
        assert code_of(known, dataset, state(125, "4"), 9) == ""
        assert code_of(known, dataset, state(141, "5"), 9, minimum_cell=20) == "statistics.rows_too_near"
    lost.close()


def test_what_was_answered_before_files_were_known_is_known_by_its_name(tmp_path: Path, rows: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as database:
        migrate(database, tmp_path / FILE, MIGRATIONS[:4])
        database.execute("INSERT INTO statistics_days VALUES ('tiny', '2026-05-05', 'a job')")
        database.execute("INSERT INTO statistics_rows VALUES ('tiny', 'sha256:9', 100, '2026-05-05')")
        database.execute("INSERT INTO statistics_rows VALUES ('other', 'sha256:9', 300, '2026-05-05')")
    memory = Memory(tmp_path)
    assert code_of(memory, DatasetFile("tiny", rows), state(103), 2) == "statistics.rows_too_near"
    assert code_of(memory, DatasetFile("second", rows), state(100), 2) == "statistics.per_day"
    assert code_of(memory, DatasetFile("other"), state(103), 2) == ""
    memory.close()


def ask(site: Site, manifest: Manifest, **changes: Any) -> Any:
    asked = order(site, manifest, **changes)
    site.deliver(asked, manifest)
    run_once(site)
    return asked


def counting(site: Site) -> Site:
    (site.folder / "tiny.toml").write_text(WITH_EDGES)
    keys = (site.signatory.public, site.platform.partner.public)
    covered = [{"signatory_key": key.encoded, "dataset": name} for key in keys for name in ("tiny", "second")]
    site.agree(**AGREED, datasets=covered)
    return site


def of_dataset(site: Site, manifest: Manifest, name: str) -> Manifest:
    trainer = started(site)
    digest = trainer._datasets.declarations[name].schema_digest
    trainer.close()
    member = manifest.cohort[0].model_copy(update={"dataset": name, "schema_digest": digest})
    return manifest.model_copy(update={"cohort": (member, *manifest.cohort[1:])})


async def test_other_edges_under_another_name_reveal_nothing_of_the_rows(site: Site) -> None:
    answer(counting(site), ask(site, job(site)))
    (site.folder / "link.csv").symlink_to(site.folder / "tiny.csv")
    again = with_second(site, "link.csv", OTHER_EDGES)
    asked = ask(again, of_dataset(again, job(again), "second"))
    assert again.refusal(asked) == "statistics.rows_too_near"


def with_second(site: Site, file: str, declaration: str = WITH_EDGES) -> Site:
    """The site once more, with a second dataset, of this file."""
    second = declaration.replace('name = "tiny"', 'name = "second"').replace("tiny.csv", file)
    (site.folder / "second.toml").write_text(second)
    with (site.folder / "connector.toml").open("a") as config:
        config.write('\n[[dataset]]\ndeclaration = "second.toml"\n')
    return make_site_again(site)


@pytest.mark.parametrize("how", ["a hard link", "a copy"])
@pytest.mark.parametrize("is_memory_lost", [False, True])
async def test_a_row_that_comes_later_is_revealed_by_no_second_name(site: Site, how: str, is_memory_lost: bool) -> None:
    """The second one is asked for the first time when its bytes are others already."""
    counting(site)
    first, second = site.folder / "tiny.csv", site.folder / "other.csv"
    if how == "a hard link":
        os.link(first, second)
    else:
        second.write_bytes(first.read_bytes())
    again = with_second(site, second.name)
    backup = remember(again)
    answer(again, ask(again, job(again)))
    again.write_rows(61)
    second.write_bytes(first.read_bytes())
    if is_memory_lost:
        put_all_back_but_the_journal(again, backup)
        assert await command(again, "accept-state", "--key", again.folder / "signatory.key", "--yes") == 0
    asked = ask(again, of_dataset(again, job(again), "second"))
    assert again.refusal(asked) == "statistics.rows_too_near"


async def test_what_was_answered_is_known_after_the_memory_was_lost_and_that_accepted(site: Site) -> None:
    counting(site)
    backup = remember(site)
    answer(site, ask(site, job(site)))
    assert sum(entry["event"] == ADMITTED for entry in site.journal()) == 1
    put_all_back_but_the_journal(site, backup)
    assert await command(site, "accept-state", "--key", site.folder / "signatory.key", "--yes") == 0
    site.write_rows(61)
    assert site.refusal(ask(site, job(site))) == "statistics.rows_too_near"
    site.write_rows(60)
    answer(site, ask(site, job(site)))


def test_taking_the_journal_s_lines_twice_is_as_once(memory: Memory, rows: Path) -> None:
    first = DatasetFile("first", rows, digest_file(rows))
    line = dict(memory.statistics.admit(first, UUID(int=1), state(100), DAY, per_day_max=1, minimum_cell=5))
    lost = Memory(None)
    for _ in range(2):
        assert lost.statistics.restore([line, {"event": ADMITTED, "dataset": "half a line"}]) == 1
    assert code_of(lost, DatasetFile("second", rows), state(100), 1) == "statistics.per_day"
    assert code_of(lost, DatasetFile("second", rows), state(101, "1"), 2) == "statistics.rows_too_near"
    lost.close()


@pytest.mark.parametrize("minimum_cell", [1, MINIMUM_CELL_LEAST - 1])
async def test_no_statistics_are_reported_where_a_withheld_cell_could_be_worked_out(
    site: Site, minimum_cell: int
) -> None:
    counting(site)
    site.agree(**AGREED | {"disclosure": {"minimum_cell": minimum_cell}})
    text = (site.folder / "connector.toml").read_text()
    (site.folder / "connector.toml").write_text(text.replace("[[dataset]]", "[limits]\nminimum_cell = 1\n[[dataset]]"))
    again = make_site_again(site)
    asked = ask(again, job(again, minimum_cell=minimum_cell))
    assert again.refusal(asked) == "statistics.minimum_cell_least"
