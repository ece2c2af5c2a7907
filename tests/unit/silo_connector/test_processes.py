"""Both processes for real: from enrolment to submission, killed in the middle, stopped in time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Order, OrderKind
from silo_connector import spool
from silo_connector.egress_log import FILE
from tests.support.fences import is_missing
from tests.support.patience import FAILS_AFTER_S
from tests.unit.silo_connector.fake_platform import FakePlatform, weights_of
from tests.unit.silo_connector.relays import answer_in_outbox
from tests.unit.silo_connector.sites import ROOT, Site, kill
from tests.unit.silo_connector.states import hand
from tests.unit.silo_connector.test_checkpoints import document, ordered, signed

LARGE = {"family": "mlp", "hidden": [2000, 1500]}
SLOW = {"steps": 8_000, "batch_size": 4, "learning_rate": 0.001}
pytestmark = pytest.mark.slow


def resident_mb(process: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) / 1000


async def taught(site: Site) -> None:
    """Wait until the trainer has read its enrolment and said what data it has."""
    await site.platform.until(lambda: list(site.outbox.glob("dataset-*")) or site.platform.datasets, FAILS_AFTER_S)


async def test_an_order_becomes_a_submission(site: Site, platform: FakePlatform) -> None:
    relay, trainer = await site.start("relay"), await site.start("trainer")
    try:
        await platform.until(lambda: platform.datasets, FAILS_AFTER_S)
        assert platform.registration().rows_coarse == 60
        manifest = site.job()
        order_id = platform.issue(site.order(manifest), manifest)
        await platform.until(lambda: platform.submissions)
        submission = platform.answered()
        assert submission.training is not None
        assert submission.training.steps == 5
        assert submission.payloads
        assert submission.payloads["update"].digest in platform.complete
        evaluates = site.order(manifest, 0.5, number=2, round=2, kind=OrderKind.EVALUATE, outputs={})
        platform.issue(evaluates, manifest)
        await platform.until(lambda: len(platform.submissions) == 2)
        assert not platform.answered().payloads
        await platform.until(lambda: not list(site.outbox.glob("*-*-*-*")))
        assert not (site.inbox / order_id).exists()
        for state in (site.config.trainer_state, site.config.relay_state):
            lines = [json.loads(line) for line in (state / FILE).read_text().splitlines()]
            assert submission.payloads["update"].digest in {line["digest"] for line in lines}
    finally:
        await kill(relay)
        await kill(trainer)


async def test_a_trainer_killed_while_it_trains_does_the_order_once(site: Site, platform: FakePlatform) -> None:
    manifest = site.job(local=SLOW)
    order = site.order(manifest)
    trainer = await site.start("trainer")
    await taught(site)
    folder = site.deliver(order, manifest)
    await platform.until(lambda: list((site.config.trainer_state / "work").glob(f"*/{spool.input_file('model')}")))
    await asyncio.sleep(0.3)
    await kill(trainer)
    assert folder.exists()
    assert not (site.outbox / str(order.order_id)).exists()
    trainer = await site.start("trainer")
    try:
        await platform.until(lambda: (site.outbox / str(order.order_id)).exists(), FAILS_AFTER_S)
        submission = site.submission(order)
        assert submission.training is not None
        assert submission.training.steps == SLOW["steps"]
        await platform.until(lambda: not folder.exists())
    finally:
        await kill(trainer)


async def test_a_trainer_countersigns_while_it_trains_and_knows_so_after_it_was_killed(
    site: Site, platform: FakePlatform
) -> None:
    """The training would take an hour: it is still under way when the answer is there, and begins again after a
    kill.
    """
    manifest = site.job(local=SLOW | {"steps": 1_000_000})
    order, first, second = site.order(manifest), ordered(site, 10), ordered(site, 11, 10)
    model = site.config.trainer_state / "work" / str(order.order_id) / spool.input_file("model")
    trainer = await site.start("trainer")
    try:
        await taught(site)
        folder = site.deliver(order, manifest)
        await platform.until(model.exists, FAILS_AFTER_S)
        hand(site, first)
        await platform.until(lambda: (site.outbox / str(first.order_id)).exists(), FAILS_AFTER_S)
        answer = document(site, first)
        await kill(trainer)
        assert folder.exists()
        assert model.exists()
        model.unlink()
        trainer = await site.start("trainer")
        await platform.until(model.exists, FAILS_AFTER_S)
        hand(site, second)
        await platform.until(lambda: (site.outbox / str(second.order_id)).exists(), FAILS_AFTER_S)
        assert [signed(site, head).position for head in (first, second)] == [10, 11]
        assert document(site, first) == answer
        (folder / spool.CANCELLED).touch()
        await platform.until(lambda: not folder.exists(), FAILS_AFTER_S)
        assert not (site.outbox / str(order.order_id)).exists()
    finally:
        await kill(trainer)


async def test_a_trainer_asked_to_stop_stops_in_the_middle_of_a_training(site: Site, platform: FakePlatform) -> None:
    manifest = site.job(local=SLOW | {"steps": 1_000_000})
    trainer = await site.start("trainer")
    await taught(site)
    site.deliver(site.order(manifest), manifest)
    await platform.until(lambda: list((site.config.trainer_state / "work").glob(f"*/{spool.input_file('model')}")))
    await asyncio.sleep(0.3)
    await stops(trainer)
    assert site.log("trainer")[-1]["event"] == "trainer.stopped"


async def stops(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        assert await asyncio.wait_for(process.wait(), FAILS_AFTER_S) == 0
    finally:
        await kill(process)


async def large_answer(site: Site, relay: asyncio.subprocess.Process) -> tuple[Order, bytes]:
    """A large order taken by the relay, and its answer in the outbox."""
    manifest = site.job(model=LARGE)
    order = site.order(manifest)
    order_id = site.platform.issue(order, manifest)
    await site.platform.until(lambda: (site.inbox / order_id).exists(), FAILS_AFTER_S)
    update = weights_of(manifest.layout, 0.25)
    (site.inbox / order_id).rename(site.folder / "taken")
    answer_in_outbox(site, order, update)
    return order, update


async def test_a_relay_killed_in_the_middle_of_an_upload_continues_it(site: Site, platform: FakePlatform) -> None:
    relay = await site.start("relay")
    platform.upload_pause_bytes = 4 << 20
    order, update = await large_answer(site, relay)
    await platform.until(lambda: platform.upload_paused.is_set(), FAILS_AFTER_S)
    await kill(relay)
    kept = len(platform.kept[digest_bytes(update)])
    assert 0 < kept < len(update)
    relay = await site.start("relay")
    try:
        await platform.until(lambda: platform.submissions, FAILS_AFTER_S)
        assert platform.ranges[-1].startswith("bytes ")
        assert not platform.ranges[-1].startswith("bytes 0-")
        assert bytes(platform.kept[digest_bytes(update)]) == update
        await platform.until(lambda: not (site.outbox / str(order.order_id)).exists())
    finally:
        await kill(relay)


async def test_a_relay_asked_to_stop_in_the_middle_of_an_upload_stops_at_once(
    site: Site, platform: FakePlatform
) -> None:
    relay = await site.start("relay")
    platform.upload_pause_bytes = 4 << 20
    await large_answer(site, relay)
    await platform.until(lambda: platform.upload_paused.is_set(), FAILS_AFTER_S)
    await stops(relay)


async def test_a_large_model_goes_up_and_down_in_constant_memory(site: Site, platform: FakePlatform) -> None:
    relay = await site.start("relay")
    try:
        await platform.until(lambda: platform.held, FAILS_AFTER_S)
        before_mb = resident_mb(relay.pid)
        _, update = await large_answer(site, relay)
        await platform.until(lambda: platform.submissions, FAILS_AFTER_S)
        assert len(update) > 12e6
        assert resident_mb(relay.pid) - before_mb < 8, "several blocks, not several models"
    finally:
        await kill(relay)


async def test_a_relay_waits_for_its_enrolment(tmp_path: Path, platform: FakePlatform) -> None:
    from tests.unit.silo_connector.sites import enrolled, make_site

    site = make_site(tmp_path, platform)
    relay = await site.start("relay")
    try:
        await platform.until(lambda: (site.config.relay_state / "log" / "relay.jsonl").exists(), FAILS_AFTER_S)
        await enrolled(site)
        await platform.until(lambda: platform.heartbeats, FAILS_AFTER_S)
        assert site.log("relay")[0]["event"] == "silo.not_enrolled"
    finally:
        await kill(relay)


async def test_a_second_process_of_the_same_kind_is_refused(site: Site, platform: FakePlatform) -> None:
    relay = await site.start("relay")
    try:
        await platform.until(lambda: platform.held, FAILS_AFTER_S)
        second = await site.start("relay")
        assert await asyncio.wait_for(second.wait(), FAILS_AFTER_S) == 1
        assert "state.in_use" in (site.folder / "relay.err").read_text()
    finally:
        await kill(relay)


async def test_a_trainer_with_a_network_refuses_to_start(site: Site) -> None:
    names = Path("/proc/net/dev").read_text().splitlines()[2:]
    if all(line.strip().startswith("lo:") for line in names):
        pytest.skip("this machine has no network")
    arguments = ["-m", "silo_connector", "run", "trainer", "--config", str(site.config.path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, statement = await asyncio.wait_for(done.communicate(), FAILS_AFTER_S)
    assert done.returncode == 1
    assert b"trainer.network" in statement
    assert b"network_mode: none" in statement


async def test_a_trainer_without_a_network_starts(site: Site) -> None:
    user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
    look = await asyncio.create_subprocess_exec(
        "unshare", *user, "--net", "cat", "/proc/net/dev", stdout=asyncio.subprocess.PIPE
    )
    table, _ = await look.communicate()
    if look.returncode or any(not line.strip().startswith("lo:") for line in table.decode().splitlines()[2:]):
        is_missing("network-namespace", "this kernel gives no empty network namespace")
    arguments = [sys.executable, "-m", "silo_connector", "run", "trainer", "--config", str(site.config.path)]
    trainer = await asyncio.create_subprocess_exec(
        "unshare", *user, "--net", "--", *arguments, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    try:
        await taught(site)
        assert "trainer.network_allowed" not in {line["event"] for line in site.log("trainer")}
    finally:
        await kill(trainer)
