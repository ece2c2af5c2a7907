"""The connectors' long poll: orders at once when there are some, else as soon as there are."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone, translation

from artefacts import store
from federation.errors import Invalid
from federation.protocol import HELD_DOCUMENTS_MAX, INLINE_BYTES_MAX
from federation.protocol.digests import is_digest
from federation.protocol.documents.base import ARTEFACTS_MAX
from federation.validation.encodings import strict_base64
from realtime import database, notices
from realtime.hub import hub
from silos.connector import JSON, Waiting, envelope_of, heartbeat
from silos.models import Silo
from silos.requests import check_still_admitted
from silos.successions import successions_to
from training.engine.answers import answer
from training.engine.order_parts import inputs_of
from training.engine.restored import record_silo_state
from training.engine.sql import orders as statements
from training.models import Order
from training.transitions import OUTSTANDING, RECALLED, OrderState

HELD_MAX = 1000
REPORTED_FOR = timedelta(hours=1)


@dataclass(frozen=True)
class PollRequest:
    """What a relay says when it asks for orders."""

    held: Sequence[UUID]
    """The orders that it has."""
    wait_s: float
    documents: Sequence[str]
    """The digests of manifests and agreements that it has: the same ones go along with each order of a job."""


@dataclass(frozen=True)
class OrderDelivery:
    """An order as it is delivered: envelopes as they were signed, and those of its inputs that are small.

    In the place of a manifest or an agreement that the relay holds stands its digest, as JSON.
    """

    order: bytes
    manifest: bytes
    inputs: Mapping[str, bytes]
    agreement: bytes | None = None

    def encode(self) -> bytes:
        """Its JSON. The envelopes are JSON already and go in as they are."""
        agreement = b"" if self.agreement is None else b',"agreement":' + self.agreement
        inputs = b",".join(b'"%s":"%s"' % (name.encode(), base64.b64encode(i)) for name, i in self.inputs.items())
        inputs = b',"inputs":{' + inputs + b"}" if inputs else b""
        return b'{"order":' + self.order + b',"manifest":' + self.manifest + agreement + inputs + b"}"


@dataclass(frozen=True)
class PollResult:
    """What a look at the database brought."""

    orders: tuple[OrderDelivery, ...] = ()
    cancelled: tuple[UUID, ...] = ()
    successions: tuple[bytes, ...] = ()
    """How the platform's key came to be: who pinned an earlier one needs them to verify the orders."""

    def encode(self) -> bytes:
        """The answer's JSON."""
        orders = b",".join(order.encode() for order in self.orders)
        cancelled = b",".join(f'"{order_id}"'.encode() for order_id in self.cancelled)
        successions = b',"successions":[' + b",".join(self.successions) + b"]" if self.successions else b""
        return b'{"orders":[' + orders + b'],"cancelled":[' + cancelled + b"]" + successions + b"}"


async def wait_for_orders(waiting: Waiting) -> bytes:
    """Handle `POST /connector/v1/orders`: nothing is held while it waits, no thread and no connection."""

    def first_look() -> tuple[Silo, PollRequest, PollResult]:
        silo, body = waiting.admit()
        asked = _read(body)
        return silo, asked, fetch_deliverable_orders(silo, asked.held, asked.documents)

    started = asyncio.get_running_loop().time()
    with hub.waiting(notices.ORDERS, waiting.claimed_silo_id) as news:
        silo, asked, found = await database.run_in_db_thread(first_look)
        deadline = started + asked.wait_s
        while not found.orders and not found.cancelled:
            left_s = deadline - asyncio.get_running_loop().time()
            if left_s <= 0:
                break
            try:
                async with asyncio.timeout(left_s):  # `wait_for` may swallow a cancellation
                    await news.wait()
            except TimeoutError:
                break
            news.clear()
            found = await database.run_in_db_thread(_look_again, silo, asked)
        return found.encode()


def _look_again(silo: Silo, asked: PollRequest) -> PollResult:
    """The same for a request that was held: a silo revoked meanwhile is refused, and gets nothing.

    Nothing is ever found for such a silo, so whether it is one needs asking only where nothing is.
    """
    found = fetch_deliverable_orders(silo, asked.held, asked.documents)
    if not found.orders and not found.cancelled:
        check_still_admitted(silo)
    return found


def fetch_deliverable_orders(silo: Silo, held: Sequence[UUID], documents: Sequence[str] = ()) -> PollResult:
    """What the silo should know now: orders that it does not hold, and held ones that nobody wants any more.

    `documents` are the digests of the manifests and agreements that its relay holds: they are not sent again.
    """
    transport_key = bytes(silo.transport_key or b"")
    found = statements.fetch_deliverable(silo_id=silo.id, transport_key=transport_key, held=held, documents=documents)
    orders = tuple(
        OrderDelivery(
            order.envelope,
            order.manifest or _reference(order.manifest_digest) or b"null",
            _small_inputs(order.envelope),
            order.agreement or _reference(order.agreement_digest),
        )
        for order in found
        if order.state in OUTSTANDING
    )
    newest = found[0].newest_succession if orders else None
    return PollResult(
        orders,
        tuple(order.order_id for order in found if order.state in RECALLED),
        () if newest is None else successions_to(newest),
    )


def _reference(digest: str | None) -> bytes | None:
    """The digest of an envelope as JSON, where there is one."""
    return f'"{digest}"'.encode() if digest else None


def _small_inputs(envelope: bytes) -> dict[str, bytes]:
    """The inputs of an order that go along with it: one after the other, as long as all are small together."""
    found: dict[str, bytes] = {}
    left = INLINE_BYTES_MAX
    for name, wanted in inputs_of(envelope).items():
        data = store.read_small(wanted["digest"], left) if wanted["size_bytes"] <= left else None
        if data is not None:
            found[name] = data
            left -= len(data)
    return found


def accept_answer(silo: Silo, data: JSON) -> JSON:
    """Handle `POST /connector/v1/submissions`: a document, and those of its payloads that are small."""
    taken = answer(document=envelope_of(data), payloads=_payloads(data.get("payloads")), by=silo)
    return {"state": taken.state, "code": taken.code or None}


def accept_heartbeat(silo: Silo, data: JSON) -> JSON:
    """Handle `POST /connector/v1/heartbeat`: keep the silo's report, and report which of its updates did not count."""
    record_silo_state(report=data, by=silo)
    rejected = Order.objects.filter(silo=silo, state=OrderState.REJECTED, ended_at__gt=timezone.now() - REPORTED_FOR)
    with translation.override(settings.LANGUAGE_CODE):
        rows = [
            {"order_id": str(order.id), "code": order.code, "message": order.message_text}
            for order in rejected.order_by("-ended_at")[: statements.ORDERS_MAX]
        ]
    return {**heartbeat(silo, data), "rejected": rows}


def _payloads(value: object) -> dict[str, bytes]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > ARTEFACTS_MAX:
        raise Invalid("request.field", f"payloads must be an object of at most {ARTEFACTS_MAX}.", "payloads")
    payloads = {str(name): _payload(data) for name, data in value.items()}
    if sum(map(len, payloads.values())) > INLINE_BYTES_MAX:
        raise Invalid("request.field", f"All payloads together have {INLINE_BYTES_MAX} bytes at most.", "payloads")
    return payloads


def _payload(value: object) -> bytes:
    try:
        payload = strict_base64(value) if isinstance(value, str) else b""
    except Invalid:
        payload = b""
    if not 0 < len(payload) <= INLINE_BYTES_MAX:
        raise Invalid("request.field", f"A payload must be base64 of 1 to {INLINE_BYTES_MAX} bytes.", "payloads")
    return payload


def _read(body: JSON) -> PollRequest:
    held, wait_s, documents = body.get("held", []), body.get("wait_s", 0), body.get("documents", [])
    if not isinstance(held, list) or len(held) > HELD_MAX:
        raise Invalid("request.field", f"held must be a list of at most {HELD_MAX} order ids.", "held")
    if isinstance(wait_s, bool) or not isinstance(wait_s, int | float) or not 0 <= wait_s <= 3600:
        raise Invalid("request.field", "wait_s must be a number of seconds.", "wait_s")
    if not isinstance(documents, list) or len(documents) > HELD_DOCUMENTS_MAX or not all(map(_is_digest, documents)):
        raise Invalid(
            "request.field", f"documents must be a list of at most {HELD_DOCUMENTS_MAX} digests.", "documents"
        )
    try:
        held = [UUID(order_id) for order_id in held]
    except (ValueError, TypeError, AttributeError) as error:
        raise Invalid("request.field", "held must be a list of order ids.", "held") from error
    return PollRequest(held, min(float(wait_s), settings.LONG_POLL_MAX_S), documents)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and is_digest(value)
