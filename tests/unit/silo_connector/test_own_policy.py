"""``policy.toml``: read again when it changes, nothing is done while it can't be read; the commands that show it."""

from __future__ import annotations

import asyncio
import resource
import tomllib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from federation.agreements.policy import Policy, parse_policy
from federation.errors import Invalid
from federation.protocol.documents import CheckpointOrder, Refusal, now, sign_document
from silo_connector import spool
from silo_connector.cli import main
from silo_connector.policy import load_policy
from silo_connector.trainer import process
from silo_connector.trainer.resources import resources
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import ROOT, Site, make_site_again

SAMPLE = ROOT / "silo_connector" / "policy.sample.toml"


@pytest.fixture
def policed(site: Site) -> Site:
    """A site with a policy that limits nothing yet."""
    write(site, "")
    text = site.config.path.read_text()
    site.config.path.write_text(f'policy = "policy.toml"\n{text}')
    return make_site_again(site)


def write(site: Site, text: str) -> None:
    partial = site.folder / "policy.new"
    partial.write_text(text)
    partial.replace(site.folder / "policy.toml")


def test_the_sample_is_a_policy_with_and_without_its_comments() -> None:
    assert load_policy(SAMPLE) == Policy()
    lines = SAMPLE.read_text().splitlines()
    settings = [line[2:] for line in lines if line.startswith("# ") and (" = " in line or line.startswith("# [["))]
    all_on = "\n".join(line for line in settings if "(policy" not in line)
    assert set(tomllib.loads(all_on)) == set(Policy.model_fields)
    parse_policy(all_on)


def test_what_is_wrong_with_it_is_reported_by_setting(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('rounds_per_day_max = "many"\ntime_zone = "Mars"\n')
    with pytest.raises(Invalid) as caught:
        load_policy(file)
    _, first, second, _ = caught.value.message.splitlines()
    assert first.startswith('  line 1: rounds_per_day_max is "many"; expected a whole number of at least 0.')
    assert second.startswith('  line 2: time_zone is "Mars"; expected another value. There is no such time zone')
    file.write_text("=")
    with pytest.raises(Invalid, match=r"policy\.invalid"):
        load_policy(file)
    with pytest.raises(Invalid, match=r"policy\.unreadable"):
        load_policy(tmp_path / "nowhere")
    file.write_bytes(b"\xff")
    with pytest.raises(Invalid, match=r"policy\.unreadable"):
        load_policy(file)


async def test_a_policy_holds_from_the_next_order_and_an_unreadable_one_stops_all(policed: Site) -> None:
    site, trainer = policed, Trainer(policed.config)
    trainer.start()
    manifest = site.job()
    codes = []
    rows = [
        "",
        'families = ["mlp"]',
        'families = ["mlp"]\ndisclose_rule = true',
        "families = 7",
        "families = ['logistic']",
        None,
    ]
    for number, text in enumerate(rows, start=1):
        if text is None:
            (site.folder / "policy.toml").unlink()
        else:
            write(site, text)
        order = site.order(manifest, number=number)
        site.deliver(order, manifest)
        trainer.process_inbox()
        outcome = site.outcome(order)
        codes.append((outcome.code, outcome.rule) if isinstance(outcome, Refusal) else None)
    trainer.close()
    hidden = ("refused.local_policy", None)
    assert codes == [None, hidden, ("policy.family", "policy"), hidden, None, hidden]
    refused = [line["code"] for line in site.journal() if line["event"] == "order.refused"]
    assert refused == ["policy.family", "policy.family", "refused.local_policy", "refused.local_policy"]


async def test_rounds_are_counted_by_the_day_and_an_order_that_is_taken_up_again_once(policed: Site) -> None:
    site, trainer = policed, Trainer(policed.config)
    write(site, "rounds_per_day_max = 2\ndisclose_rule = true\n")
    trainer.start()
    manifest = site.job()
    orders = [site.order(manifest, number=number, round=number) for number in (1, 2, 3)]
    for order in (orders[0], orders[0], *orders[1:]):
        site.deliver(order, manifest)
        trainer.process_inbox()
    trainer.close()
    site.submission(orders[0])
    site.submission(orders[1])
    assert site.refusal(orders[2]) == "policy.rounds_per_day"


async def test_the_commands_show_it_and_say_what_it_would_do(policed: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site, trainer = policed, Trainer(policed.config)
    config = str(site.config.path)
    assert await asyncio.to_thread(main, ["policy", "check", "--config", config]) == 0
    assert "No job is known here yet" in capsys.readouterr().out
    trainer.start()
    known, waiting = site.job(name="known"), site.job(name="waiting", model={"family": "mlp", "hidden": [2]})
    order = site.order(known)
    site.deliver(order, known)
    trainer.process_inbox()
    trainer.close()
    site.submission(order)
    site.deliver(site.order(waiting, number=2), waiting)
    write(site, 'families = ["logistic"]\n[[quiet_hours]]\nbegin = 03:00:00\nend = 03:00:01\n')
    assert await asyncio.to_thread(main, ["policy", "show", "--config", config]) == 0
    shown = capsys.readouterr().out
    assert "families               logistic" in shown
    assert "03:00:00 to 03:00:01" in shown
    assert await asyncio.to_thread(main, ["policy", "check", "--config", config]) == 0
    of_waiting, of_known = capsys.readouterr().out.split("\n\n")[1:]
    assert "waits in the inbox" in of_waiting
    assert "no   policy.family" in of_waiting
    assert f"known ({known.job_id})" in of_known
    assert "ok   It would be allowed." in of_known
    write(site, "familes = []\n")
    assert await asyncio.to_thread(main, ["policy", "check", "--config", config]) == 1
    assert "familes" in capsys.readouterr().err


async def test_a_head_that_waits_is_no_job(policed: Site, capsys: pytest.CaptureFixture[str]) -> None:
    head = CheckpointOrder(
        order_id=uuid4(),
        number=1,
        silo_id=policed.platform.silo_id,
        checkpoint={},
        issued_at=now(),
        expires_at=now() + timedelta(days=1),
    )
    Trainer(policed.config).close()
    folder = policed.inbox / str(head.order_id)
    folder.mkdir(parents=True)
    (folder / spool.ORDER).write_bytes(sign_document(head, policed.platform.key))
    assert await asyncio.to_thread(main, ["policy", "check", "--config", str(policed.config.path)]) == 0
    output = capsys.readouterr().out
    assert str(head.order_id) not in output
    assert "No job is known here yet" in output


def test_the_share_of_memory_bounds_the_process(tmp_path: Path, policed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    bounds: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: bounds.append(limits))
    process.bound_memory(policed.config)
    assert not bounds
    write(policed, "memory_share_max = 0.5\n")
    process.bound_memory(policed.config)
    total = resources().memory_total_bytes
    assert total is not None
    assert bounds == [(total // 2, bounds[0][1])]
    write(policed, "memory_share_max = 7\n")
    process.bound_memory(replace(policed.config))
    assert len(bounds) == 1
