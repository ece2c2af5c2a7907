"""A platform that takes nothing for now, or nothing more for an order: the relay backs off, or reports without it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from aiohttp import web

from silo_connector.relay import activation, backoff
from tests.unit.silo_connector.fake_platform import Answer, FakePlatform, problem
from tests.unit.silo_connector.relays import dead, relaying
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.test_relay_outbound import answered, impatient, uploads

__all__ = ["impatient"]


async def test_a_platform_that_takes_no_bytes_for_now_is_not_asked_again_at_once(
    site: Site, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float | None] = []
    next_s = backoff.Backoff.next_s

    def note(self: backoff.Backoff, retry_after_s: float | None = None) -> float:
        waits.append(retry_after_s)
        return next_s(self, retry_after_s)

    monkeypatch.setattr(backoff.Backoff, "next_s", note)
    platform.fail(
        "/connector/v1/uploads",
        problem(429, "upload.quota", **{"Retry-After": "1"}),
        Answer(),  # to the question what is kept
        problem(409, "upload.busy", **{"Retry-After": "0"}),
        Answer(),
        Answer(503),
        Answer(),
    )
    async with relaying(site):
        await answered(site)
        await platform.until(lambda: platform.submissions)
    assert waits == [1.0, 0.0, None]


async def test_a_relay_that_speaks_an_older_protocol_says_what_to_do_and_keeps_its_work(
    site: Site, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(activation, "PAUSES_S", {"protocol.version": 0.01})
    platform.fail("/connector/v1/submissions", problem(426, "protocol.version"), problem(426, "protocol.version"))
    platform.fail("/connector/v1/orders", Answer(), problem(426, "protocol.version"), problem(426, "protocol.version"))
    with caplog.at_level(logging.ERROR):
        async with relaying(site):
            await answered(site)
            await platform.until(lambda: platform.submissions)
    assert not dead(site)
    assert "connector.outdated" in caplog.text


async def test_an_answer_to_an_order_that_is_over_is_reported_without_its_update(
    site: Site, platform: FakePlatform
) -> None:
    late: list[str] = []
    take = platform._submission

    def answer_late(content: dict[str, Any]) -> web.Response:
        if "payloads" in content or platform.kept:
            return take(content)
        late.append(content["document"]["payload"])
        return web.json_response({"state": "late", "code": None})

    platform._submission = answer_late  # type: ignore[method-assign]
    platform.fail("/connector/v1/uploads", problem(409, "order.ended"))
    async with relaying(site):
        order_id = await answered(site)
        await platform.until(lambda: not (site.outbox / order_id).exists())
    assert len(late) == 1
    assert uploads(platform) == ["PUT"]
    assert not dead(site)
