"""Orders on their way in: whole in the inbox or not at all, whatever the platform and the spool do."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from federation.protocol import envelope
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Order
from silo_connector import spool
from silo_connector.relay import activation, backoff
from tests.unit.silo_connector.fake_platform import Answer, FakePlatform, problem, weights_of
from tests.unit.silo_connector.relays import answer_in_outbox, dead, given, relaying
from tests.unit.silo_connector.sites import Site

LARGE = {"family": "mlp", "hidden": [1000, 600]}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "BASE_S", 0.02)
    monkeypatch.setattr(activation, "PAUSES_S", dict.fromkeys(activation.PAUSES_S, 0.05))


def blob_requests(platform: FakePlatform) -> int:
    return sum(path.startswith("/connector/v1/blobs") for _, path in platform.requests)


async def test_an_order_comes_whole_and_is_held(site: Site, platform: FakePlatform) -> None:
    async with relaying(site):
        order, manifest = await given(site)
        folder = site.inbox / str(order.order_id)
        assert {file.name for file in folder.iterdir()} == {
            spool.ORDER,
            spool.MANIFEST,
            spool.AGREEMENT,
            spool.input_file("model"),
        }
        assert (folder / spool.AGREEMENT).read_bytes() == platform.agreement
        assert (folder / spool.input_file("model")).read_bytes() == weights_of(manifest.layout)
        assert digest_bytes((folder / spool.MANIFEST).read_bytes()) == order.manifest_digest
        await platform.until(lambda: platform.held[-1] == [str(order.order_id)])
        assert blob_requests(platform) == 1
        assert not list((site.config.spool / "tmp").iterdir())


async def test_a_small_model_may_come_with_its_order(site: Site, platform: FakePlatform) -> None:
    manifest = site.job()
    order = site.order(manifest, 0.5)
    order_id = platform.issue(order, manifest)
    platform.orders[order_id]["inputs"] = {"model": base64.b64encode(weights_of(manifest.layout, 0.5)).decode()}
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id).exists())
    assert (site.inbox / order_id / spool.input_file("model")).read_bytes() == weights_of(manifest.layout, 0.5)
    assert blob_requests(platform) == 0


@pytest.mark.parametrize("model", ["", "AAAA", "no base64!", "A" * 200_000, 7, None, {"a": 1}])
async def test_what_comes_with_an_order_and_is_not_its_model_is_passed_over(
    site: Site, platform: FakePlatform, model: Any
) -> None:
    manifest = site.job()
    order_id = platform.issue(site.order(manifest), manifest)
    platform.orders[order_id]["inputs"] = {"model": model}
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id).exists())
    assert (site.inbox / order_id / spool.input_file("model")).read_bytes() == weights_of(manifest.layout)
    assert blob_requests(platform) == 1


async def test_an_order_that_is_answered_already_is_not_fetched_again(site: Site, platform: FakePlatform) -> None:
    manifest = site.job()
    order = site.order(manifest)
    answer_in_outbox(site, order, b"update")
    platform.issue(order, manifest)
    async with relaying(site):
        await platform.until(lambda: platform.submissions)
    assert blob_requests(platform) == 0
    assert platform.held[0] == [], "it asks for the order, since it does not know where the update goes"


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.example/connector/v1/blobs/x",
        "//evil.example/connector/v1/blobs/x",
        "/connector/v1/blobs/../../api/v1/secrets",
        "/api/v1/secrets",
        "/connector/v1/blobs/x\r\nHost: evil",
        "/connector/v1/blobs/" + "x" * 3000,
        7,
        None,
    ],
)
async def test_an_address_off_the_path_is_never_fetched(site: Site, platform: FakePlatform, url: Any) -> None:
    manifest = site.job()
    data = json.loads(site.order(manifest).model_dump_json())
    data["inputs"]["model"]["url"] = url
    sealed = envelope.sign(json.dumps(data).encode(), Order.payload_type, platform.key)
    platform.orders[data["order_id"]] = {"order": json.loads(sealed), "manifest": {}}
    async with relaying(site):
        await platform.until(lambda: (site.inbox / data["order_id"]).exists())
    assert {path for _, path in platform.requests} <= {
        f"/connector/v1/{name}" for name in ("enrolment-code", "enrol", "orders", "heartbeat")
    }
    assert not (site.inbox / data["order_id"] / spool.input_file("model")).exists()


@pytest.mark.parametrize(
    "entry",
    [
        {"order": {"payload": "", "payloadType": "x", "signatures": []}},
        {"order": "text"},
        {"order": None, "manifest": None},
        "text",
        None,
        {},
    ],
)
async def test_what_is_no_order_is_passed_over(site: Site, platform: FakePlatform, entry: Any) -> None:
    platform.orders["x"] = entry
    for order_id in ("../../evil", "", "x" * 40, str(uuid4()).upper(), None):
        sealed = envelope.sign(json.dumps({"order_id": order_id}).encode(), Order.payload_type, platform.key)
        platform.orders[f"bad {order_id}"] = {"order": json.loads(sealed), "manifest": {}}
    async with relaying(site):
        await given(site)
        assert len(list(site.inbox.iterdir())) == 2
    assert not (site.config.spool.parent / "evil").exists()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"not json"),
        Answer(body=b"[1, 2]"),
        Answer(body=b"[" * 10_000),
        Answer(body=json.dumps({"orders": 7, "cancelled": "x"}).encode()),
        Answer(body=json.dumps({"orders": {"a": 1}, "cancelled": [1, None, "../x"]}).encode()),
        Answer(302, headers=(("Location", "http://127.0.0.1:1/"),)),
        Answer(500),
        problem(404, "not_found"),
        "cut",
    ],
)
async def test_a_senseless_answer_to_a_poll_is_survived(
    site: Site, platform: FakePlatform, answer: Answer | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activation, "OTHERWISE_S", 0.05)
    platform.fail("/connector/v1/orders", answer)
    async with relaying(site):
        await given(site)


async def test_a_large_model_continues_where_the_connection_broke(site: Site, platform: FakePlatform) -> None:
    manifest = site.job(model=LARGE)
    order = site.order(manifest, 0.5)
    platform.blob_limit_bytes = 1 << 20
    order_id = platform.issue(order, manifest)
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id).exists())
    assert platform.ranges[0] == ""
    offset = int(platform.ranges[1].removeprefix("bytes=").rstrip("-"))
    assert 0 < offset <= 1 << 20
    assert (site.inbox / order_id / spool.input_file("model")).read_bytes() == weights_of(manifest.layout, 0.5)


async def test_a_model_with_another_digest_is_fetched_again_and_in_the_end_left_out(
    site: Site, platform: FakePlatform
) -> None:
    manifest = site.job()
    order = site.order(manifest)
    assert order.model_digest is not None
    platform.blobs[order.inputs["model"].digest] = weights_of(manifest.layout, 0.5)
    order_id = platform.issue(order, manifest)
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id).exists())
    assert blob_requests(platform) == 3
    assert not (site.inbox / order_id / spool.input_file("model")).exists()


@pytest.mark.parametrize("more", [1, 3 << 20])
async def test_a_blob_larger_than_the_order_says_is_not_taken(site: Site, platform: FakePlatform, more: int) -> None:
    manifest = site.job()
    order = site.order(manifest)
    assert order.model_digest is not None
    platform.blobs[order.inputs["model"].digest] += b"x" * more
    order_id = platform.issue(order, manifest)
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id).exists())
    assert not (site.inbox / order_id / spool.input_file("model")).exists()


async def test_a_model_that_the_platform_has_not_got_is_left_out(site: Site, platform: FakePlatform) -> None:
    manifest = site.job()
    order = site.order(manifest)
    platform.blobs.clear()
    order_id = platform.issue(order, manifest)
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id).exists())
    assert not (site.inbox / order_id / spool.input_file("model")).exists()


async def test_a_model_larger_than_allowed_is_not_even_asked_for(site: Site, platform: FakePlatform) -> None:
    manifest = site.job()
    order = site.order(manifest)
    assert order.model_digest is not None
    huge = order.inputs["model"].model_copy(update={"size_bytes": 1 << 50})
    order_id = platform.issue(order.model_copy(update={"inputs": {"model": huge}}), manifest)
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id).exists())
    assert blob_requests(platform) == 0


async def test_what_lies_in_the_way_in_tmp_is_neither_followed_nor_fatal(site: Site, platform: FakePlatform) -> None:
    victim = site.folder / "victim"
    victim.mkdir()
    manifest = site.job()
    order = site.order(manifest)
    (site.config.spool / "tmp" / f"in-{order.order_id}").symlink_to(victim)
    order_id = platform.issue(order, manifest)
    async with relaying(site):
        await platform.until(lambda: (site.inbox / order_id / spool.input_file("model")).exists())
    assert not list(victim.iterdir())


async def test_the_relay_waits_for_disk_space(
    site: Site, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from silo_connector.relay.receiving import Receiver

    tries = iter([True, True])

    def full(_: Receiver, size_bytes: int) -> None:
        if next(tries, False):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Receiver, "_check_disk", full)
    monkeypatch.setattr("silo_connector.relay.receiving.DISK_PAUSE_S", 0.02)
    async with relaying(site):
        await given(site)


async def test_cancelled_orders_are_marked_in_the_inbox_and_dropped_elsewhere(
    site: Site, platform: FakePlatform
) -> None:
    async with relaying(site) as relay:
        first, _ = await given(site)
        second, _ = await given(site, number=2)
        platform.fail("/connector/v1/submissions", platform.constant)
        platform.fail("/connector/v1/uploads", platform.constant)
        answer_in_outbox(site, second, b"update")
        (site.inbox / str(second.order_id)).rename(site.folder / "taken")
        await asyncio.sleep(0.1)
        for order in (first, second):
            platform.orders.pop(str(order.order_id))
            platform.cancelled.add(str(order.order_id))
        platform.changed.set()
        await platform.until(lambda: (site.inbox / str(first.order_id) / spool.CANCELLED).exists())
        await platform.until(lambda: not (site.outbox / str(second.order_id)).exists())
        assert relay.held() == []
        assert not dead(site)
        polls = len(platform.held)
        await asyncio.sleep(0.3)
        assert len(platform.held) <= polls + 1, "it does not ask about them again and again"


async def test_a_cancelled_download_is_abandoned(site: Site, platform: FakePlatform) -> None:
    manifest = site.job()
    order = site.order(manifest)
    platform.fail("/connector/v1/blobs", platform.constant)
    order_id = platform.issue(order, manifest)
    async with relaying(site) as relay:
        await platform.until(lambda: blob_requests(platform) > 2)
        assert relay.held() == [order_id]
        platform.orders.clear()
        platform.cancelled.add(order_id)
        platform.changed.set()
        await platform.until(lambda: relay.held() == [])
        await asyncio.sleep(0.05)
        assert not (site.inbox / order_id).exists()
        assert not list((site.config.spool / "tmp").iterdir())


async def test_held_is_bounded_and_leaves_out_what_was_put_aside_long_ago(site: Site) -> None:
    async with relaying(site) as relay:
        for _ in range(1005):
            (site.config.spool / "quarantine" / str(uuid4())).mkdir()
        inside = str(uuid4())
        (site.inbox / inside).mkdir()
        held = relay.held()
        assert len(held) == 1000
        assert inside in held
