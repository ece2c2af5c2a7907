"""Connectors that wait for orders and get none: what they cost the one web process."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

import aiohttp

from benchmarks.stack import Stack
from federation.protocol.keys import PrivateKey
from federation.protocol.requests import sign_request

WINDOW_S = 100.0
SETTLE_S = 10.0
POLL = json.dumps({"held": [], "wait_s": 50}).encode()


def run(stack: Stack, connectors: int) -> dict[str, Any]:
    """Let so many connectors poll, and measure two of their polls' lengths."""
    keys = _make_silos(connectors)
    return asyncio.run(_measure(stack, keys))


def _make_silos(count: int) -> dict[str, PrivateKey]:
    """Confirmed silos of one organisation, written straight into the database: their making is not what is measured."""
    from accounts.actions import create_organisation, create_user
    from audit.actors import System
    from silos.models import Silo

    by = System("benchmark")
    organisation = create_organisation(name="Idle", slug="idle", country="CH", kind="hospital", by=by)
    user = create_user(email="idle@bench.example", full_name="Ida Idle", by=by)
    keys: dict[str, PrivateKey] = {}
    for number in range(count):
        key = PrivateKey.generate()
        silo = Silo.objects.create(
            organisation=organisation,
            name=f"idle {number}",
            state=Silo.State.ACTIVE,
            identity_key=PrivateKey.generate().public.raw,
            transport_key=key.public.raw,
            confirmed_at=datetime.now(UTC),
            confirmed_by=user,
        )
        keys[str(silo.id)] = key
    return keys


async def _measure(stack: Stack, keys: dict[str, PrivateKey]) -> dict[str, Any]:
    polls = 0

    async def poll_for_ever(session: aiohttp.ClientSession, silo_id: str, key: PrivateKey, delay_s: float) -> None:
        nonlocal polls
        await asyncio.sleep(delay_s)
        while True:
            headers = sign_request("POST", "/connector/v1/orders", POLL, key, silo_id)
            url = f"{stack.coordinator.url}/connector/v1/orders"
            async with session.post(url, data=POLL, headers=headers) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
            polls += 1

    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        tasks = [
            asyncio.create_task(poll_for_ever(session, silo_id, key, SETTLE_S * place / len(keys)))
            for place, (silo_id, key) in enumerate(keys.items())
        ]
        await asyncio.sleep(SETTLE_S + 2)
        before_s, began = stack.cpu_s(stack.coordinator.web), time.monotonic()
        done, _ = await asyncio.wait(tasks, timeout=WINDOW_S, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        spent_s, lasted_s = stack.cpu_s(stack.coordinator.web) - before_s, time.monotonic() - began
        stack.sample_memory()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    print(f"{polls} polls ended in all", file=sys.stderr)
    return {
        "connectors": len(keys),
        "web_cpu_percent_of_a_core": round(100 * spent_s / lasted_s, 2),
        "window_s": round(lasted_s, 1),
        "peak_rss_mb": stack.take_peaks()["web"],
    }
