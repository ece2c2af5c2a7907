"""The connectors' long poll: orders at once when there are some, else as soon as there are."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from artefacts import store
from federation.errors import Invalid
from federation.protocol import INLINE_BYTES_MAX
from live import database, notices
from live.hub import hub
from silos.connector import JSON, Waiting, envelope_of, heartbeat
from silos.models import Silo
from training.actions.answers import answer, deliver, note_held
from training.models import Order
from training.transitions import CALLED_BACK, OUTSTANDING, OrderState

HELD_MAX = 1000
ORDERS_MAX = 100
TOLD_FOR = timedelta(hours=1)
SEEN_EVERY = timedelta(seconds=10)
"""A silo that polls all the time is not written down as seen every time."""


@dataclass(frozen=True)
class Handed:
    """An order as it is handed over: envelopes as they were signed, and the model if it is small."""

    order: bytes
    manifest: bytes
    model: bytes | None

    def encode(self) -> bytes:
        """Its JSON. The envelopes are JSON already and go in as they are."""
        model = b"" if self.model is None else b',"model":"' + base64.b64encode(self.model) + b'"'
        return b'{"order":' + self.order + b',"manifest":' + self.manifest + model + b"}"


@dataclass(frozen=True)
class Found:
    """What a look at the database brought."""

    orders: tuple[Handed, ...] = ()
    cancelled: tuple[UUID, ...] = ()

    def encode(self) -> bytes:
        """The answer's JSON."""
        orders = b",".join(order.encode() for order in self.orders)
        cancelled = b",".join(f'"{order_id}"'.encode() for order_id in self.cancelled)
        return b'{"orders":[' + orders + b'],"cancelled":[' + cancelled + b"]}"


async def wait_for_orders(waiting: Waiting) -> bytes:
    """Handle `POST /connector/v1/orders`: nothing is held while it waits, no thread and no connection."""
    held, wait_s = _read(waiting.body)
    deadline = asyncio.get_running_loop().time() + wait_s
    with hub.waiting(notices.ORDERS, waiting.silo.id) as news:
        found = await database.call(first_look, waiting.silo, held)
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
            found = await database.call(look, waiting.silo, held)
        return found.encode()


def first_look(silo: Silo, held: Sequence[UUID]) -> Found:
    """The same as `look`, after noting that the silo is there and which orders it has on its disk."""
    now = timezone.now()
    seen = silo.silent_since is None and silo.last_seen_at is not None and now - silo.last_seen_at <= SEEN_EVERY
    if seen and not held:
        return look(silo, held)
    with database.forgettable():
        if not seen:
            Silo.objects.filter(id=silo.id).update(last_seen_at=now, silent_since=None)
        if held:
            note_held(held=held, by=silo)
        return look(silo, held)


def look(silo: Silo, held: Sequence[UUID]) -> Found:
    """What the silo should know now: orders that it does not hold, and held ones that nobody wants any more."""
    new = Q(state__in=OUTSTANDING, expires_at__gt=timezone.now())
    if held:
        new = new & ~Q(id__in=held) | Q(id__in=held, state__in=CALLED_BACK)
    found = list(
        Order.objects.filter(new, silo=silo)
        .order_by("number")
        .values_list("id", "state", "envelope", "step__round__job__manifest", "step__round__base_version__digest")[
            :ORDERS_MAX
        ]
    )
    issued = [order_id for order_id, state, *_ in found if state == OrderState.ISSUED]
    if issued:
        with database.forgettable():
            deliver(orders=issued, by=silo)
    return Found(
        tuple(
            Handed(bytes(envelope), bytes(manifest or b"null"), store.read_small(digest, INLINE_BYTES_MAX))
            for _, state, envelope, manifest, digest in found
            if state in OUTSTANDING
        ),
        tuple(order_id for order_id, state, *_ in found if state in CALLED_BACK),
    )


def take_answer(silo: Silo, data: JSON) -> JSON:
    """Handle `POST /connector/v1/submissions`: a document, and its payload if that is small."""
    order = answer(document=envelope_of(data), payload=_payload(data.get("payload")), by=silo)
    return {"state": order.state, "code": order.code or None}


def take_heartbeat(silo: Silo, data: JSON) -> JSON:
    """Handle `POST /connector/v1/heartbeat`: keep the silo's report, and tell which of its updates did not count."""
    rejected = Order.objects.filter(silo=silo, state=OrderState.REJECTED, settled_at__gt=timezone.now() - TOLD_FOR)
    return {
        **heartbeat(silo, data),
        "rejected": [
            {"order_id": str(order.id), "code": order.code, "message": order.message}
            for order in rejected.order_by("-settled_at")[:ORDERS_MAX]
        ],
    }


def _payload(value: object) -> bytes | None:
    if value is None:
        return None
    try:
        payload = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except ValueError:
        payload = b""
    if not 0 < len(payload) <= INLINE_BYTES_MAX:
        raise Invalid("request.field", f"payload must be base64 of 1 to {INLINE_BYTES_MAX} bytes.", "payload")
    return payload


def _read(body: JSON) -> tuple[list[UUID], float]:
    held, wait_s = body.get("held", []), body.get("wait_s", 0)
    if not isinstance(held, list) or len(held) > HELD_MAX:
        raise Invalid("request.field", f"held must be a list of at most {HELD_MAX} order ids.", "held")
    if isinstance(wait_s, bool) or not isinstance(wait_s, int | float) or not 0 <= wait_s <= 3600:
        raise Invalid("request.field", "wait_s must be a number of seconds.", "wait_s")
    try:
        return [UUID(order_id) for order_id in held], min(float(wait_s), settings.LONG_POLL_MAX_S)
    except (ValueError, TypeError, AttributeError) as error:
        raise Invalid("request.field", "held must be a list of order ids.", "held") from error
