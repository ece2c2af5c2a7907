"""The trainer's database takes numbered steps: from the files of 0.1 on, each whole, and never from a later one."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from federation.errors import Invalid
from silo_connector.trainer.refusals import Refused
from silo_connector.trainer.store.migrations import MIGRATIONS, VERSION, migrate
from silo_connector.trainer.store.order_store import FILE, Memory
from tests.support.every import every
from tests.unit.silo_connector.sites import ROOT

RECORDED = Path(__file__).parent / "recorded" / "trainer-0.1.sqlite"
"""What the trainer of 0.1 kept: four orders of a job (one refused), one of another, a countersigned head."""
TABLES = ("orders", "numbers", "registrations", "journal_head", "jobs", "allowed")
LATER = {
    "payload_digest": "json_extract(payloads, '$[0][1]')",
    "payload_size_bytes": "json_extract(payloads, '$[0][2]')",
}
"""Where columns of 0.1 stand since step 3."""
KILLED = """
import os, signal, sqlite3, sys
from silo_connector.trainer.store.migrations import migrate
database = sqlite3.connect(sys.argv[1], isolation_level=None)
left = int(sys.argv[2])
def count(statement):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
database.set_trace_callback(count)
migrate(database, sys.argv[1])
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    shutil.copy(RECORDED, tmp_path / FILE)
    return tmp_path / FILE


def rows_of(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """What stands in the columns that files of 0.1 have."""
    with closing(sqlite3.connect(RECORDED)) as recorded, closing(sqlite3.connect(file)) as database:
        found = {}
        for table in TABLES:
            columns = [row[1] for row in recorded.execute(f"PRAGMA table_info({table})")]
            if any(row[1] == "payloads" for row in database.execute(f"PRAGMA table_info({table})")):
                columns = [LATER.get(name, name) for name in columns]
            found[table] = database.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1, 2").fetchall()
        return found


def version_of(file: Path) -> int:
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute("PRAGMA user_version").fetchone()[0])


def test_a_file_of_0_1_is_taken_over_with_all_that_is_in_it(file: Path) -> None:
    assert version_of(file) == 0
    before = rows_of(RECORDED)
    assert [len(before[table]) for table in TABLES] == [6, 6, 1, 1, 2, 4]
    memory = Memory(file.parent)
    assert version_of(file) == VERSION
    assert rows_of(file) == before
    (silo_id,) = memory.silos()
    assert memory.highest_number(silo_id) == 1000
    for order_id, *_ in every(before["orders"]):
        outcome = memory.answer_again(str(order_id))
        assert outcome is not None
        assert outcome.document
    with pytest.raises(Refused, match=r"order\.number_reused"):
        memory.take("another", silo_id, 50)
    for job_id, *_ in every(before["jobs"]):
        assert memory.jobs.begun(UUID(str(job_id))) is not None
    memory.close()


def test_a_new_file_and_a_migrated_one_have_the_same_tables(file: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    for state in (tmp_path, tmp_path / "new"):
        Memory(state).close()
        Memory(state).close()
    shapes = []
    for one in (file, tmp_path / "new" / FILE):
        with closing(sqlite3.connect(one)) as database:
            names = [str(name) for (name,) in database.execute("SELECT name FROM sqlite_master ORDER BY name")]
            shapes.append({name: database.execute(f"PRAGMA table_info('{name}')").fetchall() for name in names})
    assert shapes[0] == shapes[1]
    assert version_of(tmp_path / "new" / FILE) == VERSION


def test_a_file_of_a_newer_version_is_refused_and_left_alone(file: Path) -> None:
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version = 99")
    before = file.read_bytes()
    with pytest.raises(Invalid) as caught:
        Memory(file.parent)
    assert caught.value.code == "trainer.state_newer"
    assert "its version is 99, and this one knows" in caught.value.message
    assert "Install the newer connector again" in caught.value.message
    assert rows_of(file) == rows_of(RECORDED)
    assert len(file.read_bytes()) == len(before)


def test_a_kill_before_any_statement_of_a_migration_leaves_a_whole_file(tmp_path: Path) -> None:
    before, versions = rows_of(RECORDED), set()
    for at in range(1, 100):
        file = tmp_path / str(at) / FILE
        file.parent.mkdir()
        shutil.copy(RECORDED, file)
        done = subprocess.run([sys.executable, "-c", KILLED, str(file), str(at)], cwd=ROOT, capture_output=True)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr.decode()
        version = version_of(file)
        versions.add(version)
        with closing(sqlite3.connect(file)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            columns = {row[1] for row in database.execute("PRAGMA table_info(orders)")}
        assert ("seen_at" in columns) == (version >= 2), f"before statement {at}"
        assert rows_of(file) == before
        Memory(file.parent).close()
        assert version_of(file) == VERSION
        assert rows_of(file) == before
    else:
        pytest.fail("it never came to its end")
    assert at > sum(map(len, MIGRATIONS))
    assert versions >= set(range(VERSION))


def test_a_step_that_fails_is_not_taken_by_half(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        steps = [*MIGRATIONS, ["CREATE TABLE half (one)", "DELETE FROM orders", "no statement"]]
        with pytest.raises(sqlite3.OperationalError):
            migrate(database, file, steps)
    assert version_of(file) == VERSION
    assert rows_of(file) == rows_of(RECORDED)


def test_two_processes_that_start_at_once_take_each_step_once(file: Path) -> None:
    imports = "from pathlib import Path; from silo_connector.trainer.store.order_store import Memory"
    code = f"{imports}; Memory(Path({str(file.parent)!r}))"
    started = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert version_of(file) == VERSION
    assert rows_of(file) == rows_of(RECORDED)


def test_a_file_that_is_locked_is_not_called_damaged(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Invalid, match=r"trainer\.state_locked: .*end that process, or wait"):
            Memory(file.parent)
        other.execute("ROLLBACK")
    Memory(file.parent).close()
