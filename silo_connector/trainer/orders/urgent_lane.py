"""The urgent lane: orders that need no data and no time are served between two batches of a long training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection

from silo_connector.logs import Log
from silo_connector.trainer.orders.inbox import Inbox

LOG = Log("trainer")
LOOK_EVERY_S = 0.5
"""So long at least a training goes on before the inbox is looked at again."""
SERVED_AT_ONCE_MAX = 4
"""No more orders than this are served between two batches: anyone who sends many slows a training, and never stops
it.
"""

READ_AT_ONCE_MAX = 32
"""So many orders at most are read between two batches, to find the urgent ones; each is read once in a training."""


class NotUrgent(Exception):
    """An order is of another kind than it said before it was verified: it waits for its turn."""


class UrgentLane:
    """Looks for urgent orders while another one is carried out, in the same thread.

    `serve` carries out one order of the inbox, whole: when it returns, the outcome is durable, or nothing has happened.
    Whatever it raises ends neither the training nor the lane.
    """

    def __init__(self, inbox: Inbox, kinds: Collection[str], serve: Callable[[str], None]) -> None:
        self._inbox = inbox
        self._kinds = kinds
        self._serve = serve
        self._looked_s = -math.inf
        self._paused_s = 0.0
        self._passed_over: set[str] = set()
        self._is_faulty = False

    def begin(self) -> None:
        """An order begins: whatever waits is looked at again."""
        self._passed_over.clear()
        self._is_faulty = False

    def working_s(self) -> float:
        """A clock in seconds that stands still while urgent orders are served."""
        return time.monotonic() - self._paused_s

    def serve_between_batches(self) -> None:
        """Serve what is urgent, a few at most, and not at every batch; an error is logged."""
        started_s = time.monotonic()
        if started_s - self._looked_s < LOOK_EVERY_S:
            return
        try:
            self._serve_some()
        except Exception as error:
            if not self._is_faulty:  # reported once an order: the inbox is looked at again soon
                LOG.error("inbox.fault", trace=error)
            self._is_faulty = True
        finally:
            self._looked_s = time.monotonic()
            self._paused_s += self._looked_s - started_s

    def _serve_some(self) -> None:
        waiting = self._inbox.order_ids()
        self._passed_over &= waiting
        served = 0
        for name in sorted(waiting - self._passed_over)[:READ_AT_ONCE_MAX]:
            if self._inbox.kind_unverified(name) in self._kinds:
                if served == SERVED_AT_ONCE_MAX:
                    return
                served += 1
                self._serve_one(name)
            else:
                self._passed_over.add(name)

    def _serve_one(self, name: str) -> None:
        try:
            self._serve(name)
        except NotUrgent:
            self._passed_over.add(name)
        except Exception as error:  # it has its turn again after the training
            self._passed_over.add(name)
            LOG.error("order.fault", trace=error, order_id=name)
