"""The journal's chain: what was written stays as it was, or it is reported which line is not."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from federation.errors import FederationError
from federation.evidence.bundles import write_bundle
from federation.protocol.digests import digest_bytes
from silo_connector import spool
from silo_connector.cli import main
from silo_connector.journal import FILE, Journal, verify
from silo_connector.trainer.store.own_orders import OwnOrders
from silo_connector.trainer.trainer import Trainer
from tests.support.evidence import Played
from tests.support.patience import FAILS_AFTER_S
from tests.unit.silo_connector.sites import ROOT, Site


def written(folder: Path, count: int = 5) -> Path:
    journal = Journal(folder)
    for number in range(count):
        journal.add("order.allowed", number=number)
    return folder / FILE


def test_a_chain_that_nobody_touched_holds(tmp_path: Path) -> None:
    assert verify(tmp_path).lines == 0
    file = written(tmp_path)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["n"] for line in lines] == [1, 2, 3, 4, 5]
    assert lines[0]["before"] is None
    assert verify(tmp_path).lines == 5
    assert file.stat().st_mode & 0o777 == 0o600


def flip(lines: list[str]) -> list[str]:
    return [lines[0], lines[1].replace('"number": 1', '"number": 7'), *lines[2:]]


@pytest.mark.parametrize(
    ("how", "line"),
    [
        (flip, 3),
        (lambda lines: [*lines[:2], *lines[3:]], 3),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [lines[1], lines[0], *lines[2:]], 1),
        (lambda lines: lines[1:], 1),
        (lambda lines: [*lines[:2], "", *lines[2:]], 4),
        (lambda lines: [*lines, "nothing"], 6),
    ],
)
def test_a_line_that_was_changed_removed_or_inserted_is_named(
    tmp_path: Path, how: Callable[[list[str]], list[str]], line: int
) -> None:
    file = written(tmp_path)
    file.write_text("".join(f"{text}\n" for text in how(file.read_text().splitlines())))
    with pytest.raises(FederationError, match=rf"journal\.broken: Line {line} of"):
        verify(tmp_path)


def test_the_journal_goes_on_after_half_a_line_and_chains_it(tmp_path: Path) -> None:
    file = written(tmp_path, 2)
    with file.open("a") as stream:
        stream.write('{"n": 3, "bef')
    verify(tmp_path)
    Journal(tmp_path).add("trainer.started")
    assert verify(tmp_path).lines == 4
    file.write_text(file.read_text().replace('{"n": 3, "bef', '{"n": 3, "beg'))
    with pytest.raises(FederationError, match="Line 4"):
        verify(tmp_path)


def test_two_processes_write_one_chain(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from silo_connector.journal import Journal;"
        f"journal = Journal(Path({str(tmp_path)!r}));"
        "[journal.add('sent', durable=False, number=n) for n in range(200)]"
    )
    started = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(2)]
    assert [process.wait(FAILS_AFTER_S) for process in started] == [0, 0]
    assert verify(tmp_path).lines == 400


def test_lines_go_to_the_system_s_log_and_are_written_without_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(path))
        journal = Journal(tmp_path, path)
        journal.add("agreement.signed", version=3)
        assert b'"version": 3' in log.recv(4096)
    path.unlink()
    journal.add("agreement.signed", version=4)
    assert verify(tmp_path).lines == 2


def test_the_journal_is_synced_before_answers_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    journal = Journal(tmp_path)
    journal.add("order.allowed", durable=False)
    assert not synced
    journal.add("sent")
    assert len(synced) == 1


BEFORE = {"signatory.pinned", "agreement.keeping", "trainer.started"}


async def test_the_trainer_shows_what_it_allowed_refused_and_sent(
    site: Site, trainer: Trainer, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = site.job()
    good, late = site.order(manifest), site.order(manifest, number=2, round=99)
    site.deliver(good, manifest)
    trainer.process_inbox()
    site.deliver(late, manifest)
    (site.inbox / "stray").touch()
    trainer.process_inbox()
    rows = [line for line in site.journal() if line["event"] not in BEFORE]
    assert [line["event"] for line in rows if line.get("purpose") != "dataset"] == [
        *("order.allowed", "sent", "sent"),
        *("inbox.quarantined", "order.refused", "sent"),
    ]
    submission = site.submission(good)
    assert submission.payloads
    assert submission.payloads["update"].digest in {line.get("digest") for line in rows}
    (refused,) = (line for line in rows if line["event"] == "order.refused")
    assert (refused["order_id"], refused["code"], refused["clause"]) == (
        str(late.order_id),
        "order.round_beyond",
        "training_limits",
    )
    found = {one.order_id: one for one in OwnOrders(site.config.trainer_state)[str(manifest.job_id)]}
    assert {key: one.issued_at for key, one in found.items()} == {
        str(one.order_id): one.issued_at for one in (good, late)
    }
    for one in (good, late):
        sent = digest_bytes((site.outbox / str(one.order_id) / spool.DOCUMENT).read_bytes())
        assert found[str(one.order_id)].answers == {sent}
        assert (found[str(one.order_id)].digest or "").startswith("sha256:")
    config = str(site.config.path)
    assert await asyncio.to_thread(main, ["journal", "verify", "--config", config]) == 0
    assert f"{len(site.journal())} lines" in capsys.readouterr().out
    file = site.config.trainer_state / FILE
    whole = file.read_text()
    file.write_text("".join(whole.splitlines(keepends=True)[:3]))
    assert await asyncio.to_thread(main, ["journal", "verify", "--config", config]) == 1
    assert "the end is cut off" in capsys.readouterr().err
    file.unlink()
    assert await asyncio.to_thread(main, ["journal", "verify", "--config", config]) == 1
    assert "the file is gone" in capsys.readouterr().err
    file.write_text(whole.replace("round_beyond", "round_before"))
    assert await asyncio.to_thread(main, ["journal", "verify", "--config", config]) == 1
    assert "[journal.broken]" in capsys.readouterr().err


def test_evidence_is_held_against_the_own_journal(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bundle that holds for everybody else lacks an order that this silo was given."""
    played = Played(rounds=1)
    bundle = tmp_path / "evidence.jsonl"
    bundle.write_bytes(b"".join(write_bundle(played.entries(rounds=1))))
    text = site.config.path.read_text().replace(site.config.platform_key, played.platform.public.fingerprint)
    site.config.path.write_text(text)
    words = ["verify", str(bundle), "--config", str(site.config.path)]
    assert main(words) == 0
    site.config.trainer_state.mkdir(parents=True, exist_ok=True)
    Journal(site.config.trainer_state).add("order.refused", order_id=str(uuid4()), job_id=str(played.manifest.job_id))
    capsys.readouterr()
    assert main(words) == 1
    assert "[order.left_out]" in capsys.readouterr().out
