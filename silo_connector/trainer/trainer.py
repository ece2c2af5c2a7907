"""The trainer: takes orders from the inbox one by one, and leaves one outcome each in the outbox, whatever happens."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from federation.agreements.shares import limits_of
from federation.errors import FederationError, Invalid, Stopped, Untrusted
from federation.plans.declaration import Plan
from federation.protocol.documents import CheckpointOrder, Environment, Order, Submission
from federation.protocol.documents.base import Network
from silo_connector import VERSION, spool
from silo_connector.config import Config
from silo_connector.folders import Folder
from silo_connector.identity import identity_key
from silo_connector.journal import Journal
from silo_connector.logs import Log
from silo_connector.spool import Spool, boot_time_s
from silo_connector.trainer import seen
from silo_connector.trainer.authorization import Permit, Permits
from silo_connector.trainer.checkpoints import Checkpoints
from silo_connector.trainer.datasets import Datasets
from silo_connector.trainer.egress_filter import Bounds, leave
from silo_connector.trainer.execution import carry_out, of_family, warm_up
from silo_connector.trainer.inbox import Inbox, cancellation, take_model
from silo_connector.trainer.log_breaks import OLDER
from silo_connector.trainer.order_store import Memory, Outcome
from silo_connector.trainer.outbox import TMP_PREFIX, Outcomes, make_room
from silo_connector.trainer.plans import in_runner
from silo_connector.trainer.refusals import OrderHead, Refused, document
from silo_connector.trainer.retries import Retries, has_no_room, may_pass
from silo_connector.trainer.state_lock import StateLock
from silo_connector.trainer.trust import believed, enrolled, followed
from silo_connector.trainer.verification import Task, Trust, check_open, judge, open_order

if TYPE_CHECKING:
    from federation.learning.backend import Begin

LOG = Log("trainer")
STARTS_MAX = 20


class Trainer:
    """All of the trainer's work, in one thread.

    `network` is what it says of its network in all that it signs: that there is none only where that was looked at.
    """

    def __init__(self, config: Config, network: Network = "allowed") -> None:
        self._config = config
        self._spool = Spool(config.spool)
        self._key = identity_key(config)
        self._memory = Memory(config.trainer_state)
        self._journal = Journal.of(config)
        self._lock = StateLock(config, self._memory, self._journal)
        self._permits = Permits(config, self._memory.jobs, network, self._lock.clock.now)
        self._outcomes = Outcomes(config.trainer_state, self._spool, self._journal)
        self._datasets = Datasets(config, network)
        self._environment = Environment(connector_version=VERSION, image_digest=config.image_digest, network=network)
        self._inbox = Inbox(self._spool, self._journal)
        self._checkpoints = Checkpoints(config.trainer_state, self._key, self._journal)
        self._retries = Retries()
        self._registered_version = -1
        self._answer: bytes | None = None
        self._trust: Trust | None = None
        self.is_enrolled = False
        self.is_working = False
        self.seen = seen.Seen()

    @property
    def is_locked(self) -> bool:
        """Whether every order is refused because what is kept is older than the journal."""
        return self._lock.is_locked

    def start(self) -> None:
        """Clear what a crash left behind, and load what takes long to load."""
        self._spool.make()
        self._spool.sweep(TMP_PREFIX)
        self._spool.drop_from_before_boot(boot_time_s())
        make_room(self._work).close()
        self._journal.add("trainer.started", version=VERSION)
        self._lock.look()
        if not self.is_locked:
            self._memory.note(self._journal.head)
        warm_up(self._config.training_threads)
        self._datasets.refresh()

    def close(self) -> None:
        """Let go of what is open."""
        self._memory.close()

    def look(self) -> None:
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
        waiting = self._inbox.waiting()
        self._retries.forget_others(waiting)
        for name in filter(self._retries.is_due, waiting):
            self.is_working = True
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
        """What the next heartbeat tells of the platform: its highest number, and the heads that are kept."""
        silo_id = str(trust.silo_id)
        highest = max(self._memory.highest_number(silo_id), self._lock.past().floors.get(silo_id, 0))
        self.seen = seen.look(self._config.trainer_state, self._key, trust, highest, self.seen)

    @property
    def _work(self) -> Path:
        return self._config.trainer_state / "work"

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
        """Tell the platform of datasets that are new or have changed."""
        self._datasets.refresh()
        if self._trust is None or self._datasets.version == self._registered_version:
            return
        try:
            self._datasets.register(self._trust.silo_id, self._key, self._memory, self._outcomes)
        except OSError as error:  # said at the next look; orders are not kept waiting for it
            LOG.error("dataset.disk", reason=str(error))
            return
        self._registered_version = self._datasets.version

    def _handle(self, name: str, trust: Trust) -> None:
        started = time.perf_counter()
        try:
            with self._spool.place("inbox") as inbox, inbox.folder(name) as folder:
                outcome = None
                if not folder.exists(spool.CANCELLED):
                    with contextlib.suppress(Stopped):
                        outcome = self._outcome(name, folder, trust)
                if outcome is None or folder.exists(spool.CANCELLED):
                    LOG.info("order.cancelled", order_id=name)
                else:
                    self._outcomes.hand_over(outcome)
        except (Invalid, Untrusted) as error:
            if self._inbox.has(name):  # otherwise it was taken away meanwhile
                self._inbox.quarantine(name, error)
            return
        self._spool.drop("inbox", name)
        self._outcomes.prune()
        LOG.info("order.done", order_id=name, seconds=round(time.perf_counter() - started, 3))

    def _outcome(self, name: str, folder: Folder, trust: Trust) -> Outcome:
        """The one outcome of an order: the one there is already, or a new one. Raises Stopped when it is cancelled."""
        started = time.perf_counter()
        sealed = folder.read(spool.ORDER, spool.DOCUMENT_BYTES_MAX)
        past, clock = self._lock.past(), self._lock.clock
        locked = past.refusal()
        if locked is None:
            trust = self._trust = followed(self._config, sealed, folder, trust, self._journal)
        else:
            trust = believed(sealed, folder, trust)
        head, order = open_order(sealed, trust, clock.now())
        if str(head.order_id) != name:
            raise Untrusted("order.wrong_folder", "The order lies in another order's folder.")
        known = self._memory.answer_again(name)
        if known is not None:
            LOG.info("order.answered_before", order_id=name)
            return known
        locked = locked or past.number_refusal(str(trust.silo_id), head.number, self._memory)
        if locked is not None:
            return self._refusal(head, locked)  # nothing is kept of it, so that it can't be missing later
        try:
            starts = self._memory.take(name, str(trust.silo_id), head.number)
            if starts > STARTS_MAX:
                raise Refused("trainer.crashed", f"The order was started {starts} times.")
            if isinstance(order, Refused):
                raise order
            self._memory.forget(min(order.issued_at, clock.now()))
            if isinstance(order, CheckpointOrder):
                check_open(order, clock.now())
                clock.saw(order.issued_at)
                return self._finish(Outcome(name, self._checkpoints.countersign(order, trust.platform)))
            past.check_job(order.job_id)
            task, permit, data_s = self._permitted(order, head.digest, folder, trust)
            return self._finish(self._carry_out(task, permit, folder, started, data_s))
        except Refused as refused:
            return self._finish(self._refusal(head, refused))
        except Stopped:
            self._memory.untake(name)
            raise
        except Exception as error:
            if has_no_room(error) or (may_pass(error) and self._is_tried_again(name, error)):
                self._memory.untake(name)
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

    def _permitted(self, order: Order, digest: str, folder: Folder, trust: Trust) -> tuple[Task, Permit, float]:
        """Judge an order, what came with it, and whether it is allowed; how long the data took. Raises Refused."""
        try:
            manifest = folder.read(spool.MANIFEST, spool.DOCUMENT_BYTES_MAX)
        except Invalid as error:
            raise Refused("manifest.missing", error.message) from error
        task = judge(order, manifest, trust, self._datasets.declarations, self._lock.clock.now())
        self._lock.clock.saw(order.issued_at)
        data_s = 0.0

        def rows_total() -> int:
            nonlocal data_s
            started = time.perf_counter()
            rows = self._datasets.rows(task.member.dataset)
            data_s = time.perf_counter() - started
            return rows.rows_total

        permit = self._permits.grant(task, manifest, folder, trust, rows_total)
        self._journal.add(
            "order.allowed",
            durable=False,  # the line about the answer is, and this one with it
            order_id=str(order.order_id),
            order=digest,
            silo_id=str(order.silo_id),
            number=order.number,
            issued_at=order.issued_at.isoformat(),
            job_id=str(order.job_id),
            kind=order.kind.value,
            round=order.round,
            attempt=order.attempt,
            model=task.model.digest,
            manifest=order.manifest_digest,
            agreement=task.manifest.agreement_digest,
        )
        return task, permit, data_s

    def _carry_out(self, task: Task, permit: Permit, folder: Folder, started: float, data_s: float) -> Outcome:
        order_id = str(task.order.order_id)
        with make_room(self._work):
            model = self._work / spool.MODEL
            take_model(folder, task.model, model, self._config.limits.model_bytes_max)
            phases_s = {"verify": time.perf_counter() - started - data_s, "data": data_s}
            rows = self._datasets.rows(task.member.dataset)
            update = self._outcomes.payload(order_id)
            bounds = Bounds.of(task.manifest, permit.minimum_cell, permit.metrics, limits_of(task.member))
            stop = cancellation(folder)

            def do(begin: Begin) -> Submission:
                return carry_out(task, begin, model, rows, update, bounds, self._environment, phases_s, stop)

            submission = do(of_family(task)) if permit.plan is None else self._in_runner(task, permit.plan, stop, do)
            model.unlink()
        payload = None if submission.payload is None else update
        try:
            answer = leave(submission, self._key, bounds, payload)
        except FederationError as error:
            raise Refused("leaving.not_allowed", str(error)) from error
        self._outcomes.sync()
        if submission.payload is None:
            return Outcome(order_id, answer)
        return Outcome(order_id, answer, submission.payload.digest, submission.payload.size_bytes)

    def _in_runner(
        self, task: Task, plan: Plan, stop: Callable[[], bool], do: Callable[[Begin], Submission]
    ) -> Submission:
        assert self._config.runner is not None, "without one, orders with a plan are refused"

        def began(measures: list[str]) -> None:
            told = {"order_id": str(task.order.order_id), "code": plan.digest, "measures": measures}
            LOG.info("code.run", **told)
            self._journal.add("code.run", durable=False, **told)

        return in_runner(plan, self._config.runner, stop, began, do)

    def _refusal(self, head: OrderHead, refused: Refused) -> Outcome:
        refusal = document(head, refused, self._environment)
        told: dict[str, object] = {"code": refused.code, "sent": refusal.code, "clause": refused.clause}
        LOG.warning("order.refused", order_id=str(head.order_id), reason=refused.message, **told)
        told |= {"job_id": None if head.job_id is None else str(head.job_id)}
        told |= {"silo_id": str(head.silo_id), "number": head.number}
        told |= {"order": head.digest, "issued_at": head.issued_at}
        if refused.highest_number is not None:
            LOG.error(OLDER, number=head.number, highest=refused.highest_number, hint="it was restored from a backup")
            self._journal.add(OLDER, durable=False, number=head.number, highest_number=refused.highest_number)
        self._journal.add("order.refused", durable=False, order_id=str(head.order_id), **told)
        self._outcomes.payload(str(head.order_id)).unlink(missing_ok=True)
        return Outcome(str(head.order_id), leave(refusal, self._key))
