"""The relay at work for one enrolment: polls for orders, carries them in, carries outcomes out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from federation.errors import FederationError, Invalid
from silo_connector import spool
from silo_connector.config import Config
from silo_connector.inotify_watch import Watch
from silo_connector.logs import Log
from silo_connector.relay.activation import Gate
from silo_connector.relay.backoff import Backoff
from silo_connector.relay.documents import HeldDocuments
from silo_connector.relay.errors import Declined, Unreachable
from silo_connector.relay.heartbeat import send_heartbeats
from silo_connector.relay.platform import Platform
from silo_connector.relay.receiving import TMP_PREFIX, Receiver, routed, successions_in
from silo_connector.relay.routing import Routes
from silo_connector.relay.sending import OVER_AFTER_S, Sender
from silo_connector.relay.transfers import Transfers
from silo_connector.spool import Spool, boot_time_s

LOG = Log("relay")
POLL_WAIT_S = 50.0
POLL_GRACE_S = 20.0
PENDING_MAX = 500
HELD_MAX = 1000
_CALM_S = 1.0
_FAULT_PAUSE_S = 10.0
_UNROUTABLE_SAID_MAX = 100


class EnrolmentChanged(Exception):
    """The relay has been enrolled again while it ran."""


class Relay:
    """All of the relay's doing under one enrolment."""

    def __init__(self, config: Config, platform: Platform, is_current: Callable[[], bool]) -> None:
        self._platform = platform
        self._is_current = is_current
        self._spool = Spool(config.spool)
        self._routes = Routes(config.relay_state)
        self._gate = Gate()
        transfers = Transfers(platform)
        self._receiver = Receiver(config, self._spool, self._routes, transfers)
        self._sender = Sender(platform, self._gate, transfers, self._spool, self._routes, config.relay_state)
        self._watch = Watch(config.spool / "outbox")
        self._documents = HeldDocuments()
        self._incoming: dict[str, asyncio.Task[None]] = {}
        self._outgoing: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self._unroutable_said = 0

    async def run(self) -> None:
        """Until cancelled. Raises EnrolmentChanged in an exception group."""
        self._spool.sweep(TMP_PREFIX)
        self._spool.drop_from_before_boot(boot_time_s())
        self._routes.forget_all_but(self._spool.orders_in("inbox") | self._spool.orders_in("outbox"))
        async with self._watch.running(LOG), asyncio.TaskGroup() as group:
            group.create_task(self._poll_for_ever(group))
            group.create_task(self._empty_outbox_for_ever(group))
            group.create_task(send_heartbeats(self._platform, self._spool, self._gate))

    def held(self) -> list[str]:
        """The orders that the platform need not give us (again)."""
        held = set(self._incoming) | self._spool.orders_in("inbox")
        held |= {order_id for order_id in self._spool.orders_in("outbox") if self._routes.knows(order_id)}
        for place in ("dead", "quarantine"):
            aside = self._spool.recent_orders_in(place, OVER_AFTER_S) - held
            held |= set(sorted(aside)[: max(0, HELD_MAX - len(held))])
        return sorted(held - self._cancelled)[:HELD_MAX]

    async def _poll_for_ever(self, group: asyncio.TaskGroup) -> None:
        backoff = Backoff()
        while True:
            try:
                wait_s = POLL_WAIT_S if self._gate.is_open else 0.0
                started = time.monotonic()
                content = {"held": self.held(), "wait_s": int(wait_s), "documents": self._documents.digests()}
                answer = await self._platform.post("orders", content, wait_s + POLL_GRACE_S)
                self._gate.admit()
                backoff.reset()
                if not self._take(answer, group) and wait_s and time.monotonic() - started < _CALM_S:
                    await asyncio.sleep(_CALM_S)  # it answers at once and says nothing new
            except Unreachable as error:
                pause_s = backoff.next_s(error.retry_after_s)
                LOG.warning("poll.retry", code=error.code, reason=error.message, wait_s=round(pause_s, 2))
                await asyncio.sleep(pause_s)
            except Declined as error:
                if not self._is_current():
                    raise EnrolmentChanged from error
                await asyncio.sleep(self._gate.close(error))
            except (Invalid, OSError) as error:
                LOG.error("relay.disk", reason=str(error))
                await asyncio.sleep(_FAULT_PAUSE_S)

    def _take(self, answer: dict[str, Any], group: asyncio.TaskGroup) -> bool:
        """Act on a poll's answer; whether there was anything new in it."""
        new = False
        cancelled, orders = answer.get("cancelled"), answer.get("orders")
        held = set(self.held())
        successions = successions_in(answer)
        for order_id in cancelled if isinstance(cancelled, list) else []:
            if isinstance(order_id, str) and order_id in held:
                new = True
                held.discard(order_id)
                self._cancel(order_id)
        for entry in orders if isinstance(orders, list) else []:
            try:
                parcel = routed(entry, self._documents)
            except FederationError as error:
                self._say_unroutable(error)
                continue
            order_id = parcel.route.order_id
            if order_id in held or len(self._incoming) >= PENDING_MAX:
                continue
            new = True
            held.add(order_id)
            self._cancelled.discard(order_id)
            self._start(self._incoming, order_id, self._receiver.receive(parcel, successions), group)
        return new

    def _say_unroutable(self, error: FederationError) -> None:
        self._unroutable_said += 1
        if self._unroutable_said <= _UNROUTABLE_SAID_MAX:
            LOG.warning("order.unroutable", reason=error.message)

    def _cancel(self, order_id: str) -> None:
        LOG.info("order.cancelled", order_id=order_id)
        self._cancelled.add(order_id)
        for tasks in (self._incoming, self._outgoing):
            if order_id in tasks:
                tasks[order_id].cancel()
        self._receiver.abandon(order_id)
        with self._spool.place("inbox") as inbox:
            if inbox.is_folder(order_id):
                with inbox.folder(order_id) as folder:
                    folder.write(spool.CANCELLED, b"", durable=False)
        self._spool.delete_atomically("outbox", order_id)
        for place in ("dead", "quarantine"):
            self._spool.close_aside(place, order_id)

    async def _empty_outbox_for_ever(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._gate.wait_until_active()
            try:
                with self._spool.place("outbox") as outbox:
                    names = [name for name in outbox.names() if spool.is_outgoing(name)]
                for name in names:
                    if name in self._cancelled:
                        self._spool.delete_atomically("outbox", name)
                    elif name not in self._outgoing:
                        self._start(self._outgoing, name, self._sender.send(name), group)
            except (Invalid, OSError) as error:
                LOG.error("relay.disk", reason=str(error))
            await self._watch.wait()

    def _start(
        self, tasks: dict[str, asyncio.Task[None]], name: str, work: Coroutine[Any, Any, None], group: asyncio.TaskGroup
    ) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                LOG.error("relay.fault", trace=error, folder=name)
                await asyncio.sleep(_FAULT_PAUSE_S)

        def ended(_: asyncio.Task[None]) -> None:
            work.close()  # if it was cancelled before it began
            tasks.pop(name, None)
            self._watch.nudge()

        tasks[name] = group.create_task(guarded())
        tasks[name].add_done_callback(ended)
