"""The trainer: takes orders from the inbox one by one, and leaves one outcome each in the outbox, whatever happens."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable

from federation.errors import Invalid, Stopped, Untrusted
from federation.protocol.documents import Environment
from federation.protocol.documents.base import Network
from silo_connector import VERSION, spool
from silo_connector.config import Config
from silo_connector.folders import SafeDir
from silo_connector.journal import Journal, entries
from silo_connector.logs import Log
from silo_connector.own_keys import identity_key
from silo_connector.spool import Spool, boot_time_s
from silo_connector.trainer import seen
from silo_connector.trainer.datasets import Datasets
from silo_connector.trainer.egress.filter import sign_if_allowed
from silo_connector.trainer.kinds.execution import preload_torch
from silo_connector.trainer.kinds.kind import AnyKind, Incoming, SiloContext
from silo_connector.trainer.kinds.registry import Kinds
from silo_connector.trainer.orders.authorization import Authorizer
from silo_connector.trainer.orders.inbox import Inbox
from silo_connector.trainer.orders.trust import believed, enrolled, follow_key_rotation
from silo_connector.trainer.orders.urgent_lane import NotUrgent, UrgentLane
from silo_connector.trainer.orders.verification import Trust, check_parameters, open_order
from silo_connector.trainer.refusals import OrderHead, Refused, document
from silo_connector.trainer.retries import Retries, has_no_room, may_pass
from silo_connector.trainer.store.log_breaks import OLDER
from silo_connector.trainer.store.order_store import Memory, Outcome
from silo_connector.trainer.store.outbox import TMP_PREFIX, WORK, Outcomes, make_room
from silo_connector.trainer.store.state_lock import StateLock
from silo_connector.trainer.store.statistics import ADMITTED

LOG = Log("trainer")
STARTS_MAX = 20


class Trainer:
    """All of the trainer's work, in one thread.

    `network` is what it says of its network in all that it signs: that there is none only where that was looked at.
    `kinds` are the kinds of order that it carries out; None for all that there are.
    """

    def __init__(self, config: Config, network: Network = "allowed", kinds: Iterable[AnyKind] | None = None) -> None:
        self._config = config
        self._spool = Spool(config.spool)
        self._key = identity_key(config)
        self._memory = Memory(config.trainer_state)
        self._journal = Journal.of(config)
        self._lock = StateLock(config, self._memory, self._journal)
        self._kinds = Kinds(kinds)
        self._outcomes = Outcomes(config.trainer_state, self._spool, self._journal)
        self._datasets = Datasets(config, network)
        self._environment = Environment(connector_version=VERSION, image_digest=config.image_digest, network=network)
        self._inbox = Inbox(self._spool, self._journal)
        self._lane = UrgentLane(self._inbox, self._kinds.urgent, self._serve_urgent)
        self._retries = Retries()
        self._silo = SiloContext(
            config=config,
            key=self._key,
            environment=self._environment,
            journal=self._journal,
            clock=self._lock.clock,
            authorizer=Authorizer(config, self._memory.jobs, network, self._lock.clock.now, self._kinds.begin_rounds),
            datasets=self._datasets,
            outbox=self._outcomes,
            statistics=self._memory.statistics,
            urgent_lane=self._lane,
        )
        self._registered_version = -1
        self._answer: bytes | None = None
        self._trust: Trust | None = None
        self.is_enrolled = False
        self.is_working = False
        self.seen = seen.SiloStatus()

    @property
    def is_locked(self) -> bool:
        """Whether every order is refused because what is kept is older than the journal."""
        return self._lock.is_locked

    def start(self) -> None:
        """Clear what a crash left behind, and load what takes long to load."""
        self._spool.make()
        self._spool.sweep(TMP_PREFIX)
        self._spool.drop_from_before_boot(boot_time_s())
        make_room(self._config.trainer_state / WORK).close()
        self._journal.add("trainer.started", version=VERSION)
        self._lock.look()
        if not self.is_locked:
            self._memory.note(self._journal.head)
            self._memory.statistics.restore(entries(self._config.trainer_state, ADMITTED))  # a lost memory was accepted
        preload_torch(self._config.training_threads)
        self._datasets.refresh()

    def close(self) -> None:
        """Let go of what is open."""
        self._memory.close()

    def process_inbox(self) -> None:
        """Do all that is to be done now."""
        self._look_at_enrolment()
        if self._trust is None:
            return
        if self._lock.look():
            self._answer = None  # whom to believe is read again from what is kept now
            self._look_at_enrolment()
        if not self.is_locked:
            self._register()
        self._lock.note_moment()
        self._look_at_seen(self._trust)
        waiting = self._inbox.waiting(first=self._kinds.urgent)
        self._retries.forget_others(waiting)
        for name in filter(self._retries.is_due, waiting):
            self.is_working = True
            self._lane.begin()
            try:
                self._handle(name, self._trust)
            except OSError as error:
                LOG.error("order.disk", order_id=name, reason=str(error))
            except Exception as error:  # the next order is to be done all the same
                LOG.error("order.fault", trace=error, order_id=name)
            finally:
                self.is_working = False
            self._look_at_seen(self._trust)

    def _look_at_seen(self, trust: Trust) -> None:
        """What the next heartbeat reports to the platform: its highest number, and the heads that are kept."""
        silo_id = str(trust.silo_id)
        highest = max(self._memory.highest_number(silo_id), self._lock.past().floors.get(silo_id, 0))
        self.seen = seen.current_status(self._config.trainer_state, self._key, trust, highest, self.seen)

    def _look_at_enrolment(self) -> None:
        answer = self._inbox.enrolment()
        if answer is None or answer == self._answer:
            return
        self._answer = answer
        trust = enrolled(self._config, answer, self._key.public)
        if trust is None:
            return
        self._trust = trust
        self.is_enrolled = True
        self._registered_version = -1

    def _register(self) -> None:
        """Inform the platform of datasets that are new or have changed."""
        self._datasets.refresh()
        if self._trust is None or self._datasets.version == self._registered_version:
            return
        try:
            self._datasets.register(self._trust.silo_id, self._key, self._memory, self._outcomes)
        except OSError as error:  # said at the next look; orders are not kept waiting for it
            LOG.error("dataset.disk", reason=str(error))
            return
        self._registered_version = self._datasets.version

    def _serve_urgent(self, name: str) -> None:
        """One order of the urgent lane, while another one is carried out. Raises NotUrgent, OSError."""
        assert self._trust is not None, "an order is being carried out"
        if not self._retries.is_due(name):
            raise NotUrgent
        self._handle(name, self._trust, is_urgent=True)
        self._look_at_seen(self._trust)

    def _handle(self, name: str, trust: Trust, *, is_urgent: bool = False) -> None:
        started = time.perf_counter()
        try:
            with self._spool.place("inbox") as inbox, inbox.folder(name) as folder:
                outcome = None
                if not folder.exists(spool.CANCELLED):
                    with contextlib.suppress(Stopped):
                        outcome = self._outcome(name, folder, trust, is_urgent=is_urgent)
                if outcome is None or folder.exists(spool.CANCELLED):
                    LOG.info("order.cancelled", order_id=name)
                else:
                    self._outcomes.hand_over(outcome)
        except (Invalid, Untrusted) as error:
            if self._inbox.has(name):  # otherwise it was taken away meanwhile
                self._inbox.quarantine(name, error)
            return
        self._spool.delete_atomically("inbox", name)
        self._outcomes.prune()
        LOG.info("order.done", order_id=name, seconds=round(time.perf_counter() - started, 3))

    def _outcome(self, name: str, folder: SafeDir, trust: Trust, *, is_urgent: bool) -> Outcome:
        """The one outcome of an order: the one there is already, or a new one.

        Raises Stopped when it is cancelled, NotUrgent when it has to wait for its turn.
        """
        started = time.perf_counter()
        sealed = folder.read(spool.ORDER, spool.DOCUMENT_BYTES_MAX)
        past, clock = self._lock.past(), self._lock.clock
        locked = past.refusal()
        if locked is None:
            trust = self._trust = follow_key_rotation(self._config, sealed, folder, trust, self._journal)
        else:
            trust = believed(sealed, folder, trust)
        opened = open_order(sealed, trust, clock.now(), self._kinds.by_name)
        head, order = opened.head, opened.order
        if str(head.order_id) != name:
            raise Untrusted("order.wrong_folder", "The order lies in another order's folder.")
        if is_urgent and opened.kind not in self._kinds.urgent:
            raise NotUrgent
        known = self._memory.answer_again(name)
        if known is not None:
            LOG.info("order.answered_before", order_id=name)
            return known
        locked = locked or past.number_refusal(str(trust.silo_id), head.number, self._memory)
        if locked is not None:
            return self._refusal(head, locked)  # nothing is kept of it, so that it can't be missing later
        is_started = False
        try:
            starts = self._memory.take(name, str(trust.silo_id), head.number)
            is_started = True
            if starts > STARTS_MAX:
                raise Refused("trainer.crashed", f"The order was started {starts} times.")
            if isinstance(order, Refused):
                raise order
            self._memory.forget(min(order.issued_at, clock.now()))
            kind = self._kinds.find(opened.kind)
            check_parameters(order, kind.parameters)
            if head.job_id is not None:
                past.check_job(head.job_id)
            incoming = Incoming(head, folder, trust, started)
            work = kind.validate(order, incoming, self._silo)
            return self._finish(kind.execute(work, incoming, self._silo))
        except Refused as refused:
            return self._finish(self._refusal(head, refused))
        except Stopped:
            self._memory.undo_start(name)
            raise
        except Exception as error:
            if has_no_room(error) or (may_pass(error) and self._is_tried_again(name, error)):
                if is_started:
                    self._memory.undo_start(name)
                raise
            LOG.error("order.fault", trace=error, order_id=name)
            return self._finish(self._refusal(head, Refused("trainer.failed", str(error))))

    def _is_tried_again(self, name: str, error: Exception) -> bool:
        wait_s = self._retries.again_in_s(name)
        if wait_s is not None:
            LOG.warning("order.retry", order_id=name, reason=repr(error), wait_s=wait_s)
        return wait_s is not None

    def _finish(self, outcome: Outcome) -> Outcome:
        self._journal.sync()
        return self._memory.finish(outcome, self._journal.head)

    def _refusal(self, head: OrderHead, refused: Refused) -> Outcome:
        refusal = document(head, refused, self._environment)
        by_name: dict[str, object] = {"code": refused.code, "sent": refusal.code, "clause": refused.clause}
        LOG.warning("order.refused", order_id=str(head.order_id), reason=refused.message, **by_name)
        by_name |= {"job_id": None if head.job_id is None else str(head.job_id)}
        by_name |= {"silo_id": str(head.silo_id), "number": head.number}
        by_name |= {"order": head.digest, "issued_at": head.issued_at}
        if refused.highest_number is not None:
            LOG.error(OLDER, number=head.number, highest=refused.highest_number, hint="it was restored from a backup")
            self._journal.add(OLDER, durable=False, number=head.number, highest_number=refused.highest_number)
        self._journal.add("order.refused", durable=False, order_id=str(head.order_id), **by_name)
        self._outcomes.drop_payloads(str(head.order_id))
        return Outcome(str(head.order_id), sign_if_allowed(refusal, self._key))
