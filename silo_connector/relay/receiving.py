"""Orders on their way in: fetch the inputs, check their digests, hand the whole to the trainer by one rename."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from federation.errors import Invalid
from federation.protocol import INLINE_BYTES_MAX
from federation.protocol.digests import digest_bytes, digest_stream
from federation.protocol.documents.base import ARTEFACTS_MAX
from federation.validation.encodings import strict_base64
from silo_connector import spool
from silo_connector.config import Config
from silo_connector.folders import SafeDir
from silo_connector.logs import Log
from silo_connector.relay.backoff import Backoff
from silo_connector.relay.documents import HeldDocuments
from silo_connector.relay.errors import Declined, Unreachable
from silo_connector.relay.routing import InputSource, OrderTransfers, Routes
from silo_connector.relay.transfers import Transfers
from silo_connector.spool import Spool

LOG = Log("relay")
TMP_PREFIX = "in-"
_CORRUPT_MAX = 3
DISK_PAUSE_S = 5.0


@dataclass(frozen=True)
class InboundOrder:
    """An entry of a poll's answer: where the order goes, the envelopes that come with it, and its small inputs."""

    route: OrderTransfers
    order: bytes
    manifest: bytes | None = None
    inputs: Mapping[str, bytes] = field(default_factory=dict)
    agreement: bytes | None = None


class Receiver:
    """Takes orders from a poll into the inbox."""

    def __init__(self, config: Config, place: Spool, routes: Routes, transfers: Transfers) -> None:
        self._config = config
        self._spool = place
        self._routes = routes
        self._transfers = transfers
        self._slots = asyncio.Semaphore(4)

    async def receive(self, parcel: InboundOrder, successions: bytes | None = None) -> None:
        """Carry one order to the inbox; again and again until it is there. Idempotent by order id."""
        route = parcel.route
        self._routes.keep(route)
        with self._spool.place("inbox") as inbox, self._spool.place("outbox") as outbox:
            if inbox.exists(route.order_id) or outbox.exists(route.order_id):
                return
        backoff = Backoff()
        while True:
            try:
                async with self._slots:
                    await self._carry(parcel, successions)
                    return
            except Unreachable as error:
                wait_s = backoff.next_s(error.retry_after_s)
                LOG.warning(
                    "input.retry", order_id=route.order_id, code=error.code, reason=error.message, wait_s=wait_s
                )
            except OSError as error:
                wait_s = max(DISK_PAUSE_S, backoff.next_s())
                LOG.error("order.disk", order_id=route.order_id, reason=error.strerror, wait_s=wait_s)
            await asyncio.sleep(wait_s)

    def abandon(self, order_id: str) -> None:
        """Remove what had come of an order that is no longer wanted."""
        with self._spool.place("tmp") as tmp:
            tmp.remove(TMP_PREFIX + order_id)

    async def _carry(self, parcel: InboundOrder, successions: bytes | None) -> None:
        route, manifest = parcel.route, parcel.manifest
        name = TMP_PREFIX + route.order_id
        with self._spool.place("tmp") as tmp:
            if not tmp.is_folder(name):
                tmp.remove(name)
            with tmp.make_folder(name) as folder:
                folder.write(spool.ORDER, parcel.order, durable=False)
                if successions is not None:
                    folder.write(spool.SUCCESSIONS, successions, durable=False)
                if manifest is not None:
                    folder.write(spool.MANIFEST, manifest, durable=False)
                if parcel.agreement is not None:
                    folder.write(spool.AGREEMENT, parcel.agreement, durable=False)
                for input_name, source in route.inputs.items():
                    data = parcel.inputs.get(input_name)
                    if data is not None and is_what_is_wanted(data, source):
                        folder.write(spool.input_file(input_name), data, durable=False)
                    else:
                        await self._fetch(route.order_id, input_name, source, folder)
            with self._spool.place("inbox") as inbox:
                if inbox.exists(route.order_id):
                    tmp.remove(name)
                else:
                    tmp.move(name, inbox, route.order_id, durable=False)
        size_bytes = sum(source.size_bytes for source in route.inputs.values())
        LOG.info("order.received", order_id=route.order_id, inputs=len(route.inputs), input_bytes=size_bytes)

    async def _fetch(self, order_id: str, name: str, source: InputSource, folder: SafeDir) -> None:
        """An input, or none if the platform has not got it: the trainer then refuses the order, and says why."""
        by_name = {"order_id": order_id, "input": name}
        if source.size_bytes > self._config.limits.model_bytes_max:
            LOG.warning("input.too_large", size_bytes=source.size_bytes, **by_name)
            return
        target = spool.input_file(name)
        for attempt in range(_CORRUPT_MAX):
            self._check_disk(source.size_bytes)
            try:
                with folder.append(target) as file:
                    await self._transfers.download(source.url, file, source.size_bytes)
                with folder.open_file(target, source.size_bytes) as file:
                    digest = await asyncio.to_thread(digest_stream, file)
            except (Declined, Invalid) as error:
                LOG.warning("input.unavailable", code=error.code, reason=error.message, **by_name)
                folder.remove(target)
                return
            if digest == source.digest:
                return
            LOG.warning("input.digest_mismatch", attempt=attempt + 1, **by_name)
            folder.remove(target)

    def _check_disk(self, size_bytes: int) -> None:
        disk = os.statvfs(self._spool.root)
        if disk.f_bavail * disk.f_frsize < size_bytes + self._config.limits.disk_free_bytes_min:
            raise Unreachable("disk.full", "There is not enough free disk space for what the order brings.", 30.0)


def is_what_is_wanted(data: bytes, wanted: InputSource) -> bool:
    """Whether an input that came inside the poll's answer is the one that the order names."""
    return len(data) == wanted.size_bytes and digest_bytes(data) == wanted.digest


def routed(entry: Any, documents: HeldDocuments) -> InboundOrder:
    """Read an entry of a poll's answer; `documents` has what it names by digest, and keeps what it brings.

    Raises Invalid ``order.unroutable``, also while something is named that is not held: a poll that names it no longer
    as held is answered with it.
    """
    order = _sealed(entry, "order")
    if order is None:
        raise Invalid("order.unroutable", "An order is no envelope, or too large.")
    return InboundOrder(
        OrderTransfers.of_order(order),
        order,
        _held(entry, "manifest", documents),
        _inline_inputs(entry.get("inputs")),
        _held(entry, "agreement", documents),
    )


def _held(entry: Any, key: str, documents: HeldDocuments) -> bytes | None:
    """The envelope under a key, or the one whose digest stands there."""
    named = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(named, str):
        sealed = _sealed(entry, key)
        if sealed is not None:
            documents.keep(sealed)
        return sealed
    found = documents.find(named)
    if found is None:
        raise Invalid("order.unroutable", f"The {key} that belongs to the order is not held here (any more).")
    return found


def successions_in(answer: dict[str, Any]) -> bytes | None:
    """The successions of the platform's key in a poll's answer, for the trainer to check; None beyond bounds."""
    entries = answer.get("successions")
    if not isinstance(entries, list) or not entries:
        return None
    sealed = json.dumps(entries, separators=(",", ":")).encode()
    if len(sealed) <= spool.SMALL_BYTES_MAX:
        return sealed
    LOG.warning("successions.too_large", size_bytes=len(sealed))
    return None


def _inline_inputs(value: Any) -> dict[str, bytes]:
    if not isinstance(value, dict) or len(value) > ARTEFACTS_MAX:
        return {}
    found = {name: _inline(data) for name, data in value.items()}
    return {name: data for name, data in found.items() if data is not None}


def _inline(value: Any) -> bytes | None:
    """A small artefact in base64, or None for anything else: then it is fetched."""
    if not isinstance(value, str) or len(value) > 2 * INLINE_BYTES_MAX:
        return None
    try:
        return strict_base64(value)
    except Invalid:
        return None


def _sealed(entry: Any, key: str) -> bytes | None:
    """The envelope under a key, as bytes; whether it holds is for the trainer to find out."""
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, dict):
        return None
    sealed = json.dumps(value, separators=(",", ":")).encode()
    return sealed if len(sealed) <= spool.DOCUMENT_BYTES_MAX else None
