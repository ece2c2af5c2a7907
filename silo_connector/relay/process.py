"""The relay's process: polls for orders, carries them in, carries outcomes out, says that it is alive."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine
from typing import Any

from federation.errors import FederationError
from federation.protocol.keys import PrivateKey
from silo_connector import VERSION, spool
from silo_connector.config import Config
from silo_connector.enrolment import Enrolment
from silo_connector.instance import claim
from silo_connector.logs import Log, configure
from silo_connector.relay.backoff import Backoff
from silo_connector.relay.enrolling import ENROLMENT_FILE, TRANSPORT_KEY
from silo_connector.relay.errors import Declined, Unreachable
from silo_connector.relay.heartbeat import beat
from silo_connector.relay.platform import Platform
from silo_connector.relay.receiving import TMP_PREFIX, Receiver, routed
from silo_connector.relay.routing import Routes
from silo_connector.relay.sending import Sender
from silo_connector.relay.transfers import Transfers
from silo_connector.spool import Spool, boot_time_s
from silo_connector.watching import Watch

LOG = Log("relay")
POLL_WAIT_S = 50.0
POLL_GRACE_S = 20.0
UNCONFIRMED_S = 2.0
REVOKED_S = 60.0
PENDING_MAX = 500
HELD_MAX = 1000
ASIDE_S = 31 * 86400.0  # no order lives longer
_CALM_S = 1.0


class Relay:
    """All of the relay's doing for one enrolment."""

    def __init__(self, config: Config, platform: Platform) -> None:
        self._platform = platform
        self._spool = Spool(config.spool)
        self._routes = Routes(config.relay_state)
        transfers = Transfers(platform)
        self._receiver = Receiver(config, self._spool, self._routes, transfers)
        self._sender = Sender(platform, transfers, self._spool, self._routes, config.relay_state)
        self._watch = Watch(config.spool / "outbox")
        self._confirmed = asyncio.Event()
        self._incoming: dict[str, asyncio.Task[None]] = {}
        self._outgoing: dict[str, asyncio.Task[None]] = {}
        self._cancelled: set[str] = set()
        self._said: str | None = None

    async def run(self) -> None:
        """Until cancelled."""
        self._spool.sweep(TMP_PREFIX)
        self._spool.drop_from_before_boot(boot_time_s())
        in_house = self._spool.orders_in("inbox") | self._spool.orders_in("outbox")
        self._routes.forget_all_but(in_house)
        async with self._watch.running(LOG), asyncio.TaskGroup() as group:
            group.create_task(self._poll_for_ever(group))
            group.create_task(self._empty_outbox_for_ever(group))
            group.create_task(beat(self._platform, self._spool, self._confirmed))

    def held(self) -> list[str]:
        """The orders that the platform need not give us (again)."""
        held = set(self._incoming) | self._spool.orders_in("inbox")
        held |= {order_id for order_id in self._spool.orders_in("outbox") if self._routes.knows(order_id)}
        for place in ("dead", "quarantine"):
            aside = self._spool.recent_orders_in(place, ASIDE_S) - held
            held |= set(sorted(aside)[: max(0, HELD_MAX - len(held))])
        return sorted(held - self._cancelled)

    async def _poll_for_ever(self, group: asyncio.TaskGroup) -> None:
        backoff = Backoff()
        while True:
            try:
                wait_s = POLL_WAIT_S if self._confirmed.is_set() else 0.0
                content = {"held": self.held(), "wait_s": int(wait_s)}
                started = time.monotonic()
                answer = await self._platform.post("orders", content, wait_s + POLL_GRACE_S)
                if not self._confirmed.is_set():
                    LOG.info("silo.active")
                    self._said = None
                    self._confirmed.set()
                    self._watch.nudge()
                backoff.reset()
                if not self._take(answer, group) and wait_s and time.monotonic() - started < _CALM_S:
                    await asyncio.sleep(_CALM_S)  # it answers at once and says nothing new
            except Unreachable as error:
                pause_s = backoff.next_s(error.retry_after_s)
                LOG.warning("poll.retry", code=error.code, reason=error.message, wait_s=round(pause_s, 2))
                await asyncio.sleep(pause_s)
            except Declined as error:
                await asyncio.sleep(self._declined(error, backoff))

    def _declined(self, error: Declined, backoff: Backoff) -> float:
        """The platform does not let us poll: stop sending; seconds until we ask again."""
        self._confirmed.clear()
        if self._said != error.code:
            LOG.warning("silo.not_active", code=error.code, reason=error.message)
            self._said = error.code
        if error.code == "silo.unconfirmed":
            return UNCONFIRMED_S
        return REVOKED_S if error.code == "silo.revoked" else max(3.0, backoff.next_s())

    def _take(self, answer: dict[str, Any], group: asyncio.TaskGroup) -> bool:
        """Act on a poll's answer; whether there was anything new in it."""
        new = False
        cancelled, orders = answer.get("cancelled"), answer.get("orders")
        for order_id in cancelled if isinstance(cancelled, list) else []:
            if isinstance(order_id, str) and spool.is_order_id(order_id) and order_id not in self._cancelled:
                new = True
                self._cancel(order_id)
        held = set(self.held())
        for entry in orders if isinstance(orders, list) else []:
            found = routed(entry)
            if found is None or found[0].order_id in held or len(self._incoming) >= PENDING_MAX:
                continue
            new = True
            order_id = found[0].order_id
            self._cancelled.discard(order_id)
            self._start(self._incoming, order_id, self._receiver.receive(*found), group)
            held.add(order_id)
        return new

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
        self._spool.drop("outbox", order_id)
        for place in ("dead", "quarantine"):
            self._spool.close_aside(place, order_id)
        self._routes.forget(order_id)

    async def _empty_outbox_for_ever(self, group: asyncio.TaskGroup) -> None:
        while True:
            await self._confirmed.wait()
            with self._spool.place("outbox") as outbox:
                names = [name for name in outbox.names() if spool.is_order_id(name) or spool.is_dataset_folder(name)]
            for name in names:
                if name not in self._outgoing:
                    self._start(self._outgoing, name, self._sender.send(name), group)
            await self._watch.wait()

    def _start(
        self, tasks: dict[str, asyncio.Task[None]], name: str, work: Coroutine[Any, Any, None], group: asyncio.TaskGroup
    ) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                LOG.error("relay.fault", trace=error, folder=name)
                await asyncio.sleep(30)
            finally:
                tasks.pop(name, None)
                self._watch.nudge()

        tasks[name] = group.create_task(guarded())


async def run(config: Config) -> None:
    """Wait for the enrolment, then relay until the end."""
    place = Spool(config.spool)
    place.make()
    said = False
    while not (config.relay_state / ENROLMENT_FILE).exists():
        if not said:
            LOG.info("silo.not_enrolled", hint="run: silo-connector enrol --config … --code …")
            said = True
        await asyncio.sleep(1)
    enrolment = Enrolment.read((config.relay_state / ENROLMENT_FILE).read_bytes())
    key = PrivateKey.load(config.relay_state / TRANSPORT_KEY)
    LOG.info("relay.started", version=VERSION, silo_id=str(enrolment.silo_id), transport_key=key.public.key_id)
    async with Platform(config, key, str(enrolment.silo_id)) as platform:
        await Relay(config, platform).run()


def main(config: Config) -> int:
    """Run until SIGTERM or SIGINT."""
    claim(config.relay_state, "relay")
    configure("relay", config.relay_state / "log")
    try:
        asyncio.run(_until_told(config))
    except FederationError as error:
        LOG.error("relay.failed", code=error.code, reason=error.message)
        return 1
    return 0


async def _until_told(config: Config) -> None:
    work = asyncio.create_task(run(config))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        LOG.info("relay.stopped")
