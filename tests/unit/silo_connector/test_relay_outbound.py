"""Outcomes on their way out: once, whole, and only what the trainer really put there."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import DatasetWithdrawal, now, sign_document, verify_document
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.egress_log import FILE
from silo_connector.identity import identity_key
from silo_connector.journal import Journal
from silo_connector.relay import activation, backoff
from silo_connector.relay.enrolling import enrol
from silo_connector.relay.platform import Platform
from silo_connector.relay.relay import EnrolmentChanged
from silo_connector.relay.transfers import Transfers
from silo_connector.spool import Spool
from silo_connector.trainer.store.outbox import Outcomes
from tests.unit.silo_connector.fake_platform import Answer, FakePlatform, problem
from tests.unit.silo_connector.relays import answer_in_outbox, dead, given, relaying
from tests.unit.silo_connector.sites import Site

TINY = bytes(range(256)) * 20
UPDATE = bytes(range(256)) * 300
LARGE = os.urandom(4 << 20)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "BASE_S", 0.02)
    monkeypatch.setattr(activation, "PAUSES_S", dict.fromkeys(activation.PAUSES_S, 0.05))
    monkeypatch.setattr(activation, "OTHERWISE_S", 0.05)


def uploads(platform: FakePlatform) -> list[str]:
    return [method for method, path in platform.requests if path.startswith("/connector/v1/uploads")]


async def answered(site: Site, update: bytes | None = UPDATE) -> str:
    """An order taken, and its answer put into the outbox."""
    order, _ = await given(site)
    answer_in_outbox(site, order, update)
    (site.inbox / str(order.order_id)).rename(site.folder / f"taken-{order.order_id}")
    return str(order.order_id)


async def test_a_tiny_update_goes_with_its_document(site: Site, platform: FakePlatform) -> None:
    async with relaying(site):
        order_id = await answered(site, TINY)
        await platform.until(lambda: not (site.outbox / order_id).exists())
    assert uploads(platform) == []
    assert bytes(platform.kept[digest_bytes(TINY)]) == TINY
    journal = [json.loads(line) for line in (site.config.relay_state / FILE).read_text().splitlines()]
    assert [line["purpose"] for line in journal][-2:] == ["payload", "document"]


async def test_a_small_answer_goes_out_in_two_requests(site: Site, platform: FakePlatform) -> None:
    async with relaying(site):
        order_id = await answered(site)
        await platform.until(lambda: not (site.outbox / order_id).exists())
    assert uploads(platform) == ["PUT"]
    assert bytes(platform.kept[digest_bytes(UPDATE)]) == UPDATE
    assert len(platform.submissions) == 1
    journal = [json.loads(line) for line in (site.config.relay_state / FILE).read_text().splitlines()]
    assert [line["purpose"] for line in journal][-2:] == ["payload", "document"]


@pytest.mark.parametrize(
    "faults",
    [
        [Answer(500), Answer(503)],
        ["cut", "cut"],
        [Answer(429), problem(409, "upload.busy", **{"Retry-After": "0"})],
        [Answer(body=b"nonsense")],
    ],
)
@pytest.mark.parametrize("path", ["/connector/v1/uploads", "/connector/v1/submissions"])
async def test_a_passing_fault_is_retried_and_the_answer_counts_once(
    site: Site, platform: FakePlatform, faults: list[Answer | str], path: str
) -> None:
    async with relaying(site):
        platform.fail(path, *faults)
        order_id = await answered(site)
        await platform.until(lambda: not (site.outbox / order_id).exists())
    assert len(platform.submissions) == 1
    assert not dead(site)


async def test_retry_after_is_honoured(site: Site, platform: FakePlatform, caplog: pytest.LogCaptureFixture) -> None:
    async with relaying(site):
        platform.fail("/connector/v1/submissions", Answer(429, headers=(("Retry-After", "1"),)))
        await answered(site, None)
        await platform.until(lambda: platform.submissions)
    retries = [vars(record)["consilience_fields"] for record in caplog.records if record.msg == "outbox.retry"]
    assert [retry["wait_s"] for retry in retries] == [1.0], "as long as it was told, and not a part of BASE_S"


async def test_a_large_upload_continues_where_it_was_cut(site: Site, platform: FakePlatform) -> None:
    async with relaying(site):
        platform.upload_limit_bytes = 2 << 20
        order_id = await answered(site, LARGE)
        await platform.until(lambda: not (site.outbox / order_id).exists())
    first, second = platform.ranges[-2:]
    assert first.startswith("bytes 0-")
    assert not second.startswith("bytes 0-")
    assert bytes(platform.kept[digest_bytes(LARGE)]) == LARGE
    assert len(platform.submissions) == 1


async def test_a_later_relay_continues_what_an_earlier_one_began(site: Site, platform: FakePlatform) -> None:
    async with relaying(site):
        platform.upload_limit_bytes = 2 << 20
        platform.fail("/connector/v1/uploads", *[])
        order, _ = await given(site)
        (site.inbox / str(order.order_id)).rename(site.folder / "taken")
    platform.kept[digest_bytes(LARGE)] = bytearray(LARGE[: 3 << 20])
    platform.upload_limit_bytes = None
    answer_in_outbox(site, order, LARGE)
    async with relaying(site):
        await platform.until(lambda: platform.submissions)
    assert platform.ranges[-1].startswith(f"bytes {3 << 20}-")
    assert uploads(platform) == ["HEAD", "PUT"]


async def test_an_upload_that_is_there_already_is_not_sent_again(site: Site, platform: FakePlatform) -> None:
    platform.kept[digest_bytes(LARGE)] = bytearray(LARGE)
    platform.complete.add(digest_bytes(LARGE))
    async with relaying(site):
        await answered(site, LARGE)
        await platform.until(lambda: platform.submissions)
    assert uploads(platform) == ["HEAD"]


async def test_an_offset_conflict_continues_from_the_platform_s_offset(site: Site, platform: FakePlatform) -> None:
    platform.kept[digest_bytes(UPDATE)] = bytearray(UPDATE[:100])
    async with relaying(site):
        await answered(site)
        await platform.until(lambda: platform.submissions)
    assert platform.ranges[-1].startswith("bytes 100-")


async def test_bytes_that_were_spoilt_on_the_way_are_sent_again_from_the_start(
    site: Site, platform: FakePlatform
) -> None:
    platform.kept[digest_bytes(UPDATE)] = bytearray(b"x" * 100)
    async with relaying(site):
        await answered(site)
        await platform.until(lambda: platform.submissions)
    assert platform.ranges[-1].startswith("bytes 0-")


@pytest.mark.parametrize(
    ("path", "answer", "code"),
    [
        ("/connector/v1/submissions", problem(422, "submission.other_order"), "submission.other_order"),
        ("/connector/v1/submissions", Answer(404), "http.status_404"),
        ("/connector/v1/uploads", problem(413, "blob.too_large"), "blob.too_large"),
        ("/connector/v1/uploads", problem(401, "grant.expired"), "grant.expired"),
    ],
)
async def test_what_the_platform_will_never_take_is_put_aside_with_the_reason(
    site: Site, platform: FakePlatform, path: str, answer: Answer, code: str
) -> None:
    async with relaying(site) as relay:
        platform.fail(path, answer)
        order_id = await answered(site)
        await platform.until(lambda: dead(site))
        assert dead(site) == {order_id: code}
        assert relay.held() == [order_id]
        assert (site.config.spool / "dead" / order_id / spool.DOCUMENT).exists()
        await answered(site, None)
        await platform.until(lambda: platform.submissions)


async def test_a_lost_payload_is_sent_again(site: Site, platform: FakePlatform) -> None:
    async with relaying(site):
        platform.fail("/connector/v1/submissions", problem(422, "submission.payload_missing"))
        await answered(site)
        await platform.until(lambda: platform.submissions)
    assert not dead(site)


# -- a hostile outbox ----------------------------------------------------------------------------------------------


def link(file: Path) -> None:
    file.unlink()
    file.symlink_to("/etc/passwd")


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def change(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1] + b"!")


@pytest.mark.parametrize("update", [TINY, UPDATE], ids=["tiny", "small"])
@pytest.mark.parametrize("name", [spool.DOCUMENT, spool.output_file("update")])
@pytest.mark.parametrize(
    "how",
    [
        link,
        pipe,
        change,
        Path.unlink,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"x" * (5 << 20)),
        lambda file: file.write_bytes(b'{"payloadType":"x","payload":"bnVsbA==","signatures":[]}'),
    ],
)
async def test_what_is_not_what_its_document_says_is_not_sent(
    site: Site, platform: FakePlatform, name: str, how: Callable[[Path], object], update: bytes
) -> None:
    async with relaying(site):
        order, _ = await given(site)
        (site.inbox / str(order.order_id)).rename(site.folder / "taken")
        platform.state = "silo.unconfirmed"
        platform.changed.set()
        folder = answer_in_outbox(site, order, update)
    how(folder / name)
    platform.state = "active"
    platform.submissions.clear()
    platform.kept.clear()
    async with relaying(site):
        await platform.until(lambda: dead(site))
        assert list(dead(site)) == [str(order.order_id)]
    assert not platform.submissions
    assert not platform.kept


async def test_an_answer_in_another_order_s_folder_is_not_sent(site: Site, platform: FakePlatform) -> None:
    first, second = site.order(site.job()), site.order(site.job())
    answer_in_outbox(site, first, None).rename(site.outbox / str(second.order_id))
    async with relaying(site):
        await platform.until(lambda: dead(site))
    assert dead(site) == {str(second.order_id): "outbox.malformed"}


async def test_a_dataset_s_withdrawal_goes_where_registrations_go(site: Site, platform: FakePlatform) -> None:
    key = identity_key(site.config)
    withdrawal = sign_document(DatasetWithdrawal(silo_id=uuid4(), name="tiny", withdrawn_at=now()), key)
    Outcomes(site.config.trainer_state, Spool(site.config.spool), Journal(site.config.trainer_state)).put_journalled(
        withdrawal
    )
    async with relaying(site):
        await platform.until(lambda: not list(site.outbox.glob("dataset-*")))
    (sent,) = platform.datasets
    assert verify_document(DatasetWithdrawal, json.dumps(sent["document"]).encode(), [key.public]).name == "tiny"
    assert digest_bytes(withdrawal) in (site.config.relay_state / FILE).read_text()
    assert not platform.submissions


async def test_strange_names_in_the_outbox_are_left_alone(site: Site, platform: FakePlatform) -> None:
    (site.outbox / "..x").mkdir()
    (site.outbox / "secrets.csv").write_text("x")
    (site.outbox / "dataset-0123456789abcdef").symlink_to("/etc")
    async with relaying(site):
        await answered(site, None)
        await platform.until(lambda: platform.submissions)
    assert not platform.datasets
    assert Path("/etc").is_dir()


async def test_an_update_larger_than_the_order_allows_is_not_sent(site: Site, platform: FakePlatform) -> None:
    manifest = site.job()
    order = site.order(manifest)
    small = order.outputs["update"].model_copy(update={"size_bytes_max": 10})
    order = order.model_copy(update={"outputs": {"update": small}})
    order_id = platform.issue(order, manifest)
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id).exists())
        answer_in_outbox(site, order, UPDATE)
        await platform.until(lambda: dead(site))
    assert dead(site) == {order_id: "upload.too_large"}
    assert not uploads(platform)


async def test_a_submission_is_in_the_journal_before_it_is_sent(
    site: Site, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Transfers.upload
    seen: list[bool] = []

    async def watched(self: Transfers, *arguments: object) -> bool:
        seen.append(digest_bytes(UPDATE) in (site.config.relay_state / FILE).read_text())
        return await real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Transfers, "upload", watched)
    async with relaying(site):
        await answered(site)
        await platform.until(lambda: platform.submissions)
    assert seen == [True]


# -- may we speak? -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["silo.unconfirmed", "silo.revoked"])
async def test_nothing_but_polls_is_sent_while_the_silo_is_not_active(
    site: Site, platform: FakePlatform, state: str
) -> None:
    platform.state = state
    order = site.order(site.job())
    answer_in_outbox(site, order, None)
    platform.requests.clear()
    async with relaying(site):
        await platform.until(lambda: platform.requests)
        await asyncio.sleep(0.4)  # in which anything else would come; that nothing does can't be waited for
        assert {path for _, path in platform.requests} == {"/connector/v1/orders"}
        platform.state = "active"
        await platform.until(lambda: platform.submissions)
        await platform.until(lambda: platform.heartbeats)


async def test_a_silo_that_is_revoked_stops_sending(site: Site, platform: FakePlatform) -> None:
    async with relaying(site):
        order, _ = await given(site)
        platform.state = "silo.revoked"
        answer_in_outbox(site, order, None)
        await platform.until(lambda: ("POST", "/connector/v1/submissions") in platform.requests)
        platform.requests.clear()
        platform.changed.set()
        await asyncio.sleep(0.3)
        assert {path for _, path in platform.requests} <= {"/connector/v1/orders", "/connector/v1/submissions"}
        assert (site.outbox / str(order.order_id)).exists()
        assert not dead(site)


async def test_a_new_enrolment_is_taken_up_without_a_restart(site: Site, platform: FakePlatform) -> None:
    platform.state = "silo.revoked"
    async with relaying(site) as relay:
        await asyncio.sleep(0.1)
        platform.code_used_by = None  # a new code
        await enrol(site.config, platform.code, again=True)
        with pytest.raises(ExceptionGroup) as caught:
            await relay.task
    assert caught.group_contains(EnrolmentChanged)


async def test_heartbeats_carry_the_trainer_s_status_and_survive_a_broken_one(
    site: Site, platform: FakePlatform
) -> None:
    (site.config.spool / spool.STATUS).write_text('{"state": "idle"}')
    async with relaying(site):
        await platform.until(lambda: platform.heartbeats)
    assert platform.heartbeats[-1]["trainer"] == {"state": "idle"}
    assert platform.heartbeats[-1]["disk_free_bytes"] > 0
    assert abs(platform.heartbeats[-1]["clock_skew_s"]) < 5
    (site.config.spool / spool.STATUS).unlink()
    (site.config.spool / spool.STATUS).symlink_to("/etc/passwd")
    platform.heartbeats.clear()
    async with relaying(site):
        await platform.until(lambda: platform.heartbeats)
    assert platform.heartbeats[-1]["trainer"] is None


def test_keys_of_the_relay_are_its_own(site: Site) -> None:
    transport = PrivateKey.load(site.config.relay_state / "transport.key")
    assert transport.public.key_id == (site.platform.transport.key_id if site.platform.transport else None)
    assert (site.config.relay_state / "transport.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("takes_s", "reported_s"), [(0.0, 3600.0), (0.4, 0.0)])
async def test_the_date_of_an_answer_that_was_long_in_coming_reveals_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, takes_s: float, reported_s: float
) -> None:
    """Servers date a long poll's answer when it was asked."""

    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(takes_s)
        an_hour_ago = format_datetime(datetime.now(UTC) - timedelta(hours=1), usegmt=True)
        return web.json_response({}, headers={"Date": an_hour_ago})

    monkeypatch.setattr("silo_connector.relay.platform._PROMPT_S", 0.2)
    application = web.Application()
    application.router.add_post("/connector/v1/orders", slow)
    async with TestServer(application) as server:
        config = replace(site.config, platform_url=str(server.make_url("")).rstrip("/"))
        async with Platform(config, PrivateKey.generate()) as platform:
            await platform.post("orders", {})
            assert abs(platform.clock_skew_s - reported_s) < 5
