"""The connectors' long poll: orders at once when there are some, else as soon as there are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from federation.errors import Invalid
from live import database, notices
from live.hub import hub
from silos.connector import JSON, Waiting, envelope_of
from silos.models import Silo
from training.actions.answers import answer, deliver, note_held
from training.models import Order
from training.transitions import CALLED_BACK, OUTSTANDING

HELD_MAX = 1000


@dataclass(frozen=True)
class Found:
    """What a look at the database brought."""

    orders: tuple[tuple[bytes, bytes], ...]
    cancelled: tuple[UUID, ...]

    def encode(self) -> bytes:
        """The answer. The envelopes are JSON already and go in as they are."""
        orders = b",".join(b'{"order":' + order + b',"manifest":' + manifest + b"}" for order, manifest in self.orders)
        cancelled = b",".join(f'"{order_id}"'.encode() for order_id in self.cancelled)
        return b'{"orders":[' + orders + b'],"cancelled":[' + cancelled + b"]}"


async def wait_for_orders(waiting: Waiting) -> bytes:
    """Handle `POST /connector/v1/orders`: nothing is held while it waits, no thread and no connection."""
    held, wait_s = _read(waiting.body)
    deadline = asyncio.get_running_loop().time() + wait_s
    with hub.waiting(notices.ORDERS, waiting.silo.id) as news:
        while True:
            news.clear()
            found = await database.call(look, waiting.silo, held)
            left_s = deadline - asyncio.get_running_loop().time()
            if found.orders or found.cancelled or left_s <= 0:
                return found.encode()
            try:
                await asyncio.wait_for(news.wait(), left_s)
            except TimeoutError:
                return Found((), ()).encode()


def look(silo: Silo, held: Sequence[UUID]) -> Found:
    """What the silo should know now: orders that it does not hold, and held ones that nobody wants any more."""
    now = timezone.now()
    with transaction.atomic():
        Silo.objects.filter(id=silo.id).update(last_seen_at=now, silent_since=None)
        if held:
            note_held(held=held, by=silo)
        orders = list(
            Order.objects.filter(silo=silo, state__in=OUTSTANDING, expires_at__gt=now)
            .exclude(id__in=held)
            .select_related("step__round__job")
            .order_by("number")[:100]
        )
        if orders:
            deliver(orders=orders, by=silo)
        cancelled = (
            Order.objects.filter(id__in=held, silo=silo, state__in=CALLED_BACK).values_list("id", flat=True)
            if held
            else []
        )
        return Found(
            tuple((bytes(order.envelope), bytes(order.step.round.job.manifest or b"null")) for order in orders),
            tuple(cancelled),
        )


def take_answer(silo: Silo, data: JSON) -> JSON:
    """Handle `POST /connector/v1/submissions`."""
    order = answer(document=envelope_of(data), by=silo)
    return {"state": order.state, "code": order.code or None}


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
