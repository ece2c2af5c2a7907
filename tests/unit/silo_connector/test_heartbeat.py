"""Heartbeats that come before their time, when the trainer can do something else than was reported."""

from __future__ import annotations

import json
from typing import Any

import pytest

from silo_connector import spool
from silo_connector.folders import SafeDir
from silo_connector.relay import heartbeat
from tests.unit.silo_connector.fake_platform import FakePlatform
from tests.unit.silo_connector.relays import relaying
from tests.unit.silo_connector.sites import Site


@pytest.fixture(autouse=True)
def no_heartbeat_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 1e6)
    monkeypatch.setattr(heartbeat, "SOONEST_S", 0.05)


def report(site: Site, **status: Any) -> None:
    """As the trainer does."""
    with SafeDir.open(site.config.spool) as folder:
        folder.replace(spool.STATUS, json.dumps(status).encode(), durable=False)


def families(platform: FakePlatform) -> list[list[str]]:
    return [(beat["trainer"] or {}).get("capabilities", {}).get("families", []) for beat in platform.heartbeats]


async def test_a_trainer_that_has_got_a_runner_is_informed_of_at_once(site: Site, platform: FakePlatform) -> None:
    report(site, capabilities={"families": ["logistic"]}, state="idle")
    async with relaying(site):
        await platform.until(lambda: families(platform) == [["logistic"]])
        report(site, capabilities={"families": ["logistic", "plan"]}, state="idle")
        await platform.until(lambda: families(platform) == [["logistic"], ["logistic", "plan"]])


async def test_a_trainer_that_starts_after_its_relay_is_informed_of_at_once(site: Site, platform: FakePlatform) -> None:
    async with relaying(site):
        await platform.until(lambda: families(platform) == [[]])
        report(site, capabilities={"families": ["plan"]}, state="idle")
        await platform.until(lambda: families(platform) == [[], ["plan"]])


async def test_what_else_a_trainer_says_waits_for_the_next_heartbeat(site: Site, platform: FakePlatform) -> None:
    report(site, capabilities={"families": ["logistic"]}, state="idle")
    async with relaying(site):
        await platform.until(lambda: families(platform) == [["logistic"]])
        report(site, capabilities={"families": ["logistic"]}, state="working")
        (site.config.spool / spool.STATUS).unlink()
        report(site, capabilities={"families": ["plan"]}, state="working")
        await platform.until(lambda: len(platform.heartbeats) > 1)
    assert families(platform) == [["logistic"], ["plan"]]
