"""Says every half minute that the silo is alive, with the trainer's own words about itself.

When the trainer can do something else than was reported last, that is reported at once: a job may wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from datetime import UTC, datetime
from typing import Any

from federation.errors import Invalid
from silo_connector import VERSION, spool
from silo_connector.folders import SafeDir
from silo_connector.inotify_watch import Watch
from silo_connector.logs import Log
from silo_connector.relay.activation import Gate
from silo_connector.relay.backoff import Backoff
from silo_connector.relay.errors import Declined, Unreachable
from silo_connector.relay.platform import Platform
from silo_connector.spool import Spool

LOG = Log("relay")
INTERVAL_S = 30.0
SOONEST_S = 1.0
"""A trainer that changes its mind all the time is reported no more often."""
_REJECTED_MAX = 100


async def send_heartbeats(platform: Platform, place: Spool, gate: Gate) -> None:
    """For ever, while the silo is confirmed."""
    backoff, reported = Backoff(), set[str]()
    latency_s: float | None = None
    async with Watch(place.root).running(LOG) as watch:
        while True:
            await gate.wait_until_active()
            try:
                began = time.monotonic()
                statement = content(place, platform.clock_skew_s, latency_s)
                answer = await platform.post("heartbeat", statement)
                latency_s = round(time.monotonic() - began, 4)
                reported = report_rejected(answer.get("rejected"), reported)
                backoff.reset()
            except (Unreachable, Declined, OSError) as error:
                after_s = error.retry_after_s if isinstance(error, Unreachable) else None
                LOG.info("heartbeat.missed", reason=str(error))
                await asyncio.sleep(max(INTERVAL_S, backoff.next_s(after_s)))
            else:
                await _pause(watch, place, capabilities_in(statement["trainer"]))


async def _pause(watch: Watch, place: Spool, reported: object) -> None:
    """Until the next heartbeat is due: at its time, or once the trainer can do something else than was reported."""
    due_at_s = time.monotonic() + INTERVAL_S
    await asyncio.sleep(min(SOONEST_S, INTERVAL_S))
    while (left_s := due_at_s - time.monotonic()) > 0:
        if capabilities_in(trainer_status(place)) not in (None, reported):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await watch.wait()


def capabilities_in(status: dict[str, Any] | None) -> object:
    """What the trainer says it can do, by its status; None where it says nothing."""
    return None if status is None else status.get("capabilities")


def report_rejected(entries: Any, reported: set[str]) -> set[str]:
    """Write into the log, once, which of our updates did not count and why. Returns the orders reported now."""
    known: set[str] = set()
    for entry in entries[:_REJECTED_MAX] if isinstance(entries, list) else []:
        order_id = entry.get("order_id") if isinstance(entry, dict) else None
        if not isinstance(order_id, str) or not spool.is_order_id(order_id):
            continue
        known.add(order_id)
        if order_id not in reported:
            code, reason = str(entry.get("code"))[:80], str(entry.get("message"))[:500]
            LOG.warning("update.rejected", order_id=order_id, code=code, reason=reason)
    return known


def content(place: Spool, clock_skew_s: float, latency_s: float | None = None) -> dict[str, Any]:
    """What a heartbeat says; `latency_s` is how long the one before took, there and back."""
    disk = os.statvfs(place.root)
    return {
        "relay_version": VERSION,
        "trainer": trainer_status(place),
        "disk_free_bytes": disk.f_bavail * disk.f_frsize,
        "clock_skew_s": clock_skew_s,
        "latency_s": latency_s,
        "clock": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def trainer_status(place: Spool) -> dict[str, Any] | None:
    """What the trainer last said of itself, if that can be read."""
    try:
        with SafeDir.open(place.root) as folder:
            status = json.loads(folder.read(spool.STATUS, spool.SMALL_BYTES_MAX))
    except (Invalid, ValueError, RecursionError):
        return None
    return status if isinstance(status, dict) else None
