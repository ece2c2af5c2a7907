"""Outcomes on their way out: check what is in the outbox, journal it, send payload and document, then let it go."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.errors import FederationError, Invalid
from federation.protocol import INLINE_BYTES_MAX, envelope
from federation.protocol.digests import digest_bytes, digest_stream, is_digest
from federation.protocol.documents import AuditCheckpoint
from federation.protocol.documents.base import ARTEFACTS_MAX
from silo_connector import spool
from silo_connector.egress_log import EgressEntry, record
from silo_connector.folders import SafeDir
from silo_connector.logs import Log
from silo_connector.relay.activation import Gate
from silo_connector.relay.backoff import Backoff
from silo_connector.relay.errors import Declined, OffsetConflict, Unreachable
from silo_connector.relay.platform import Platform
from silo_connector.relay.routing import OrderTransfers, Routes
from silo_connector.relay.transfers import SMALL_BYTES, Transfers
from silo_connector.spool import Spool

LOG = Log("relay")
_MISMATCHES_MAX = 3
_LOST_MAX = 5
NO_GRANT = "upload.no_grant"
OVER = "order.ended"
OVER_AFTER_S = 31 * 86400.0  # no order lives longer


@dataclass(frozen=True)
class OutgoingPayload:
    """A file that goes with a document."""

    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Outgoing:
    """A folder of the outbox, read and found to be in order."""

    name: str
    document: dict[str, Any]
    document_digest: str
    document_size_bytes: int
    payloads: Mapping[str, OutgoingPayload] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Of all that leaves."""
        return self.document_size_bytes + sum(payload.size_bytes for payload in self.payloads.values())

    @property
    def endpoint(self) -> str:
        """Where it goes."""
        if spool.is_agreement_folder(self.name):
            return "agreements"
        if spool.is_review_folder(self.name):
            return "code-reviews"
        if spool.is_dataset_folder(self.name):
            return "datasets"
        return "submissions"


class Sender:
    """Sends what the trainer has put into the outbox."""

    def __init__(
        self, platform: Platform, gate: Gate, transfers: Transfers, place: Spool, routes: Routes, state: Path
    ) -> None:
        self._platform = platform
        self._gate = gate
        self._transfers = transfers
        self._spool = place
        self._routes = routes
        self._state = state
        self._slots = asyncio.Semaphore(4)
        self._journalled: set[str] = set()

    async def send(self, name: str) -> None:
        """Send one folder; again and again until the platform has it or will never take it."""
        backoff, lost = Backoff(), 0
        while True:
            await self._gate.wait_until_active()
            try:
                async with self._slots:
                    await self._send_once(name)
                    return
            except Unreachable as error:
                if error.code == NO_GRANT and self._is_long_over(name):
                    self._give_up(name, error)
                    return
                wait_s = backoff.next_s(error.retry_after_s)
                LOG.warning("outbox.retry", folder=name, code=error.code, reason=error.message, wait_s=round(wait_s, 2))
            except OSError as error:
                wait_s = max(5.0, backoff.next_s())
                LOG.error("outbox.disk", folder=name, reason=str(error), wait_s=round(wait_s, 2))
            except Declined as error:
                lost += error.code == "submission.payload_missing"
                if self._gate.concerns(error):
                    wait_s = self._gate.close(error)
                elif 0 < lost <= _LOST_MAX:
                    wait_s = backoff.next_s()
                    LOG.warning("outbox.retry", folder=name, code=error.code, wait_s=round(wait_s, 2))
                else:
                    self._give_up(name, error)
                    return
            except Invalid as error:
                self._give_up(name, error)
                return
            await asyncio.sleep(wait_s)

    async def _send_once(self, name: str) -> None:
        with self._spool.place("outbox") as outbox:
            if not outbox.exists(name):
                return
            with outbox.folder(name) as folder:
                outgoing = await asyncio.to_thread(read_outgoing, name, folder)
                self._journal(outgoing)
                request: dict[str, Any] = {"document": outgoing.document}
                inline, left = {}, INLINE_BYTES_MAX
                for output, payload in outgoing.payloads.items():
                    if payload.size_bytes <= left:
                        inline[output] = _inline(folder, output, payload)
                        left -= payload.size_bytes
                    else:
                        await self._upload_unless_over(name, output, payload, folder)
                if inline:
                    request["payloads"] = inline
        answer = await self._platform.post(outgoing.endpoint, request)
        LOG.info(
            "outbox.sent",
            folder=name,
            state=answer.get("state"),
            code=answer.get("code"),
            size_bytes=outgoing.size_bytes,
        )
        self._spool.delete_atomically("outbox", name)
        self._routes.forget(name)
        self._journalled.discard(outgoing.document_digest)

    async def _upload_unless_over(self, name: str, output: str, payload: OutgoingPayload, folder: SafeDir) -> None:
        """An order that waits for no answer any more takes no bytes, but the document still: it reports what was
        late.
        """
        try:
            await self._upload(name, output, payload, folder)
        except Declined as error:
            if error.code != OVER:
                raise
            LOG.info("upload.late", folder=name, code=error.code)

    async def _upload(self, name: str, output: str, payload: OutgoingPayload, folder: SafeDir) -> None:
        route = self._routes.find(name) or OrderTransfers(name)
        target = route.outputs.get(output)
        if target is None:
            raise Unreachable(NO_GRANT, "It is not known where this payload goes; asking for the order again.")
        size_bytes = payload.size_bytes
        if size_bytes > target.size_bytes_max:
            raise Invalid("upload.too_large", "The payload is larger than the order allows.")
        path = target.path(payload.digest)
        offset, mismatches = 0, 0
        with folder.open_file(spool.output_file(output), size_bytes) as source:
            if size_bytes > SMALL_BYTES:  # what an earlier relay sent is worth a question
                offset, complete = await self._transfers.kept(path)
                if complete:
                    return
            while True:
                try:
                    if await self._transfers.upload(path, source, offset, size_bytes):
                        return
                    offset, complete = await self._transfers.kept(path)
                except OffsetConflict as conflict:
                    offset, complete = conflict.offset, False
                    if offset >= size_bytes:
                        offset, complete = await self._transfers.kept(path)
                except Unreachable as error:
                    LOG.info("upload.interrupted", folder=name, code=error.code, reason=error.message)
                    before = offset
                    offset, complete = await self._transfers.kept(path)
                    if not complete and (offset <= before or error.retry_after_s is not None):
                        raise  # it asks us to wait, or takes nothing: not again at once
                except Declined as error:
                    mismatches += 1
                    if error.code != "blob.digest_mismatch" or mismatches >= _MISMATCHES_MAX:
                        raise
                    offset, complete = 0, False
                if complete:
                    return
                if offset >= size_bytes:
                    raise Unreachable("upload.malformed_answer", "The platform's account of the upload makes no sense.")

    def _journal(self, outgoing: Outgoing) -> None:
        if outgoing.document_digest in self._journalled:
            return
        order_id = outgoing.name if spool.is_order_id(outgoing.name) else None
        departures = [EgressEntry("document", outgoing.document_digest, outgoing.document_size_bytes, order_id)]
        leaving = [
            EgressEntry.of_payload(order_id, output, payload.digest, payload.size_bytes)
            for output, payload in outgoing.payloads.items()
        ]
        record(self._state, *leaving, *departures)
        self._journalled.add(outgoing.document_digest)

    def _is_long_over(self, name: str) -> bool:
        with self._spool.place("outbox") as outbox:
            return outbox.age_s(name, time.time()) > OVER_AFTER_S

    def _give_up(self, name: str, error: FederationError) -> None:
        LOG.error("outbox.dead", folder=name, code=error.code, reason=error.message)
        self._spool.quarantine("outbox", name, "dead", error.code, error.message)
        self._routes.forget(name)


def _is_head(document: dict[str, Any]) -> bool:
    """Whether an order was answered with a countersigned head: its bytes are the platform's and name no order."""
    return document.get("payloadType") == AuditCheckpoint.payload_type


def _inline(folder: SafeDir, output: str, payload: OutgoingPayload) -> str:
    data = folder.read(spool.output_file(output), payload.size_bytes)
    if digest_bytes(data) != payload.digest:
        raise Invalid("payload.digest_mismatch", "The payload changed before it was sent.")
    return base64.b64encode(data).decode()


def read_outgoing(name: str, folder: SafeDir) -> Outgoing:
    """Read a folder of the outbox and check that its payloads are what its document says. Raises Invalid."""
    sealed = folder.read(spool.DOCUMENT, spool.DOCUMENT_BYTES_MAX)
    payload = envelope.payload_unverified(sealed)
    try:
        document, inner = json.loads(sealed), json.loads(payload)
        named = inner.get("payloads") or {}
    except (ValueError, AttributeError, RecursionError) as error:
        raise Invalid("outbox.malformed", "The document can't be read.") from error
    if spool.is_order_id(name) and not _is_head(document) and inner.get("order_id") != name:
        raise Invalid("outbox.malformed", "The document answers another order than its folder says.")
    payloads = _payloads(named)
    if payloads and not spool.is_order_id(name):
        raise _unreadable()
    for output, wanted in payloads.items():
        with folder.open_file(spool.output_file(output), wanted.size_bytes) as source:
            if digest_stream(source) != wanted.digest:
                raise Invalid("payload.digest_mismatch", "A payload is not what its document says; it was not sent.")
    return Outgoing(name, document, digest_bytes(sealed), len(sealed), payloads)


def _payloads(named: Any) -> dict[str, OutgoingPayload]:
    if not isinstance(named, dict) or len(named) > ARTEFACTS_MAX:
        raise _unreadable()
    found = {}
    for output, reference in named.items():
        if not spool.is_artefact_name(output) or not isinstance(reference, dict):
            raise _unreadable()
        digest, size_bytes = reference.get("digest"), reference.get("size_bytes")
        if not isinstance(digest, str) or not is_digest(digest) or type(size_bytes) is not int or size_bytes < 1:
            raise _unreadable()
        found[output] = OutgoingPayload(digest, size_bytes)
    return found


def _unreadable() -> Invalid:
    return Invalid("outbox.malformed", "The document's payloads can't be read.")
