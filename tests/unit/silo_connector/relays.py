"""A relay in the test's own process, and a stand-in for the trainer beside it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import (
    Environment,
    Manifest,
    Order,
    Payload,
    Submission,
    TrainingReport,
    now,
    sign_document,
)
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.enrolment import Enrolment
from silo_connector.identity import identity_key
from silo_connector.relay.enrolling import TRANSPORT_KEY
from silo_connector.relay.platform import Platform
from silo_connector.relay.process import enrolment_files
from silo_connector.relay.relay import Relay
from tests.unit.silo_connector.sites import Site


@dataclass(frozen=True)
class Running:
    """A relay and its task."""

    relay: Relay
    task: asyncio.Task[None]

    def held(self) -> list[str]:
        """The orders that it would name in a poll."""
        return self.relay.held()


@contextlib.asynccontextmanager
async def relaying(site: Site) -> AsyncIterator[Running]:
    """A relay that runs while in this context, and is then stopped as by SIGTERM."""
    state = site.config.relay_state
    files = enrolment_files(state)
    key = PrivateKey.load(state / TRANSPORT_KEY)
    async with Platform(site.config, key, str(Enrolment.read(files[0]).silo_id)) as platform:
        relay = Relay(site.config, platform, lambda: enrolment_files(state) == files)
        task = asyncio.create_task(relay.run())
        try:
            yield Running(relay, task)
        finally:
            task.cancel()
            await asyncio.wait([task])


def answer_in_outbox(site: Site, order: Order, update: bytes | None) -> Path:
    """What a trainer would put into the outbox."""
    submission = Submission(
        order_id=order.order_id,
        number=order.number,
        kind=order.kind,
        silo_id=order.silo_id,
        job_id=order.job_id,
        manifest_digest=order.manifest_digest,
        round=order.round,
        attempt=order.attempt,
        model_digest=digest_bytes(b"w"),
        payloads={}
        if update is None
        else {"update": Payload(kind="update.f32", digest=digest_bytes(update), size_bytes=len(update))},
        training=None if update is None else TrainingReport(rows=1, steps=1, loss=1, update_norm_l2=1),
        environment=Environment(connector_version="0.1.0"),
        created_at=now(),
    )
    partial = site.config.spool / "tmp" / f"out-{order.order_id}"
    partial.mkdir()
    (partial / spool.DOCUMENT).write_bytes(sign_document(submission, identity_key(site.config)))
    if update is not None:
        (partial / spool.output_file("update")).write_bytes(update)
    return partial.rename(site.outbox / str(order.order_id))


async def given(site: Site, **changes: Any) -> tuple[Order, Manifest]:
    """An order that the relay has carried into the inbox; the stand-in trainer then takes it out."""
    manifest = site.job()
    order = site.order(manifest, **changes)
    order_id = site.platform.issue(order, manifest)
    await site.platform.until(lambda: (site.inbox / order_id).exists())
    return order, manifest


def dead(site: Site) -> dict[str, str]:
    """Codes by what the relay has abandoned."""
    reasons = (site.config.spool / "dead").glob("*.reason.json")
    return {file.name.removesuffix(".reason.json"): json.loads(file.read_text())["code"] for file in reasons}
