"""Manifests and agreements come once a job: the relay holds them, and each order's folder is whole all the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import Manifest, Order, sign_document
from federation.protocol.envelope import payload_unverified
from silo_connector import spool
from silo_connector.relay import backoff
from silo_connector.relay.documents import HeldDocuments
from tests.support.every import every
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.relays import relaying
from tests.unit.silo_connector.sites import Site, kill


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "BASE_S", 0.02)


def envelopes(folder: Path) -> tuple[str, str]:
    """The digests of the manifest and the agreement in an order's folder."""
    return digest_bytes((folder / spool.MANIFEST).read_bytes()), digest_bytes((folder / spool.AGREEMENT).read_bytes())


async def carried(site: Site, order: Order, manifest: Manifest) -> Path:
    """The folder of an order that was given to the relay."""
    folder = site.inbox / site.platform.issue(order, manifest)
    await site.platform.until(folder.exists)
    return folder


def delivered(platform: FakePlatform, order: Order) -> dict[str, Any]:
    """What the platform sent last of an order."""
    payload = json.loads(sign_document(order, platform.key))["payload"]
    return [entry for entry in platform.delivered if entry["order"]["payload"] == payload][-1]


def code_of(document: dict[str, Any]) -> str | None:
    """Why an order was refused; None where it was carried out."""
    payload: dict[str, Any] = json.loads(payload_unverified(json.dumps(document).encode()))
    return payload.get("code")


def test_held_documents_are_found_by_their_digest_and_nothing_else_is() -> None:
    documents = HeldDocuments()
    documents.keep(b"one")
    documents.keep(b"one")
    assert documents.digests() == [digest_bytes(b"one")]
    assert documents.find(digest_bytes(b"one")) == b"one"
    assert documents.find(digest_bytes(b"two")) is None


def test_what_was_not_asked_for_the_longest_makes_room() -> None:
    documents = HeldDocuments(count_max=3, bytes_max=100)
    for name in every((b"a", b"b", b"c")):
        documents.keep(name)
    documents.find(digest_bytes(b"a"))
    documents.keep(b"d")
    assert documents.digests() == [digest_bytes(name) for name in (b"c", b"a", b"d")]
    documents.keep(b"x" * 99)
    assert documents.digests() == [digest_bytes(b"d"), digest_bytes(b"x" * 99)]
    documents.keep(b"x" * 101)
    assert documents.digests() == [], "what is larger than all room is not held"


async def test_the_second_order_of_a_job_comes_without_manifest_and_agreement(
    site: Site, platform: FakePlatform
) -> None:
    manifest = site.job()
    first, second = site.order(manifest), site.order(manifest, 0.5, number=2, round=2)
    async with relaying(site):
        one = await carried(site, first, manifest)
        two = await carried(site, second, manifest)
        assert isinstance(delivered(platform, first)["manifest"], dict)
        assert (delivered(platform, second)["manifest"], delivered(platform, second)["agreement"]) == envelopes(one)
        assert envelopes(two) == envelopes(one)
        assert first.manifest_digest == envelopes(two)[0]


async def test_each_of_two_jobs_has_its_own_manifest_beside_its_orders(site: Site, platform: FakePlatform) -> None:
    jobs = [site.job(), site.job()]
    orders = [site.order(jobs[place % 2], 0.5, number=place + 1, round=place // 2 + 1, attempt=1) for place in range(4)]
    async with relaying(site):
        for place, order in every(enumerate(orders)):
            folder = await carried(site, order, jobs[place % 2])
            assert envelopes(folder) == (order.manifest_digest, digest_bytes(platform.agreement or b""))
        assert len(platform.held_documents[-1]) == 3, "two manifests, and the agreement of both"


async def test_an_order_waits_until_the_manifest_that_it_only_names_has_come(
    site: Site, platform: FakePlatform
) -> None:
    manifest = site.job()
    order = site.order(manifest)
    whole = {"order": json.loads(sign_document(order, platform.key)), "manifest": order.manifest_digest}
    platform.orders["named"] = whole
    async with relaying(site):
        await platform.until(lambda: len(platform.delivered) > 2)
        assert not (site.inbox / str(order.order_id)).exists()
        assert platform.held[-1] == [], "it is not held, so that it is given again"
        del platform.orders["named"]
        folder = await carried(site, order, manifest)
    assert envelopes(folder)[0] == order.manifest_digest


async def test_a_relay_that_was_killed_is_given_the_manifest_again(site: Site, platform: FakePlatform) -> None:
    manifest = site.job()
    first, second = site.order(manifest), site.order(manifest, 0.5, number=2, round=2)
    relay = await site.start("relay")
    try:
        one = await carried(site, first, manifest)
        await kill(relay)
        relay = await site.start("relay")
        two = await carried(site, second, manifest)
    finally:
        await kill(relay)
    assert isinstance(delivered(platform, second)["manifest"], dict)
    assert envelopes(two) == envelopes(one)


@pytest.mark.slow
async def test_a_trainer_that_was_killed_goes_on_with_a_manifest_that_does_not_come_again(
    site: Site, platform: FakePlatform
) -> None:
    manifest = site.job()
    relay, trainer = await site.start("relay"), await site.start("trainer")
    try:
        platform.issue(site.order(manifest), manifest)
        await platform.until(lambda: len(platform.submissions) == 1)
        await kill(trainer)
        for file in every(site.config.trainer_state.glob("trainer.sqlite*")):
            file.unlink()
        second = site.order(manifest, 0.5, number=2, round=2)
        platform.issue(second, manifest)
        folder = site.inbox / str(second.order_id)
        await platform.until(folder.exists)
        assert delivered(platform, second)["manifest"] == second.manifest_digest
        trainer = await site.start("trainer")
        await platform.until(lambda: len(platform.submissions) == 2)
    finally:
        await kill(relay)
        await kill(trainer)
    assert code_of(platform.submissions[-1]) == "trainer.state_older", "what it says to an order that came whole"


@pytest.mark.slow
async def test_a_manifest_that_is_missing_or_another_one_is_refused_and_the_next_order_is_not(
    site: Site, platform: FakePlatform
) -> None:
    manifest, other = site.job(), site.job()
    orders = [site.order(manifest, 0.5 * (place > 2), number=place + 1, round=max(1, place - 1)) for place in range(4)]
    relay, trainer = await site.start("relay"), await site.start("trainer")
    codes = []
    try:
        for place, order in every(enumerate(orders)):
            order_id = platform.issue(order, manifest)
            if place == 0:
                platform.orders[order_id]["manifest"] = None
            if place == 1:
                platform.orders[order_id]["manifest"] = json.loads(sign_document(other, platform.key))
            await platform.until(lambda count=place + 1: len(platform.submissions) == count)
            codes.append(code_of(platform.submissions[-1]))
    finally:
        await kill(relay)
        await kill(trainer)
    assert codes == ["manifest.missing", "manifest.digest_mismatch", None, None]
