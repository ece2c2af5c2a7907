"""A surprise that may pass is met again, later each time, and only then becomes the order's signed end."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from silo_connector.appending import Unwritable
from silo_connector.trainer.kinds import model_orders
from silo_connector.trainer.kinds.execution import execute_order
from silo_connector.trainer.retries import FIRST_WAIT_S, RETRIES_MAX, Retries, has_no_room, may_pass
from silo_connector.trainer.store.order_store import FILE, Memory
from silo_connector.trainer.trainer import Trainer
from tests.support.every import every
from tests.unit.silo_connector.sites import Site


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def patient(trainer: Trainer, clock: Clock) -> Trainer:
    """The trainer with that clock."""
    trainer._retries = Retries(clock)
    return trainer


def test_each_wait_is_twice_as_long_and_after_the_last_it_is_over(clock: Clock) -> None:
    retries = Retries(clock)
    waits = [retries.again_in_s("a") for _ in range(RETRIES_MAX + 1)]
    assert waits == [FIRST_WAIT_S * 2**n for n in range(RETRIES_MAX)] + [None]
    assert not retries.is_due("a")
    assert retries.is_due("b")
    clock.now_s += FIRST_WAIT_S * 2 ** (RETRIES_MAX - 1)
    assert retries.is_due("a")
    retries.again_in_s("b")
    retries.forget_others(["b"])
    assert retries.again_in_s("a") == FIRST_WAIT_S
    assert retries.again_in_s("b") == 2 * FIRST_WAIT_S


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (MemoryError(), True),
        (OSError(errno.EIO, "Input/output error"), True),
        (sqlite3.OperationalError("database is locked"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"), True),
        (RuntimeError("CUDA out of memory."), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (sqlite3.IntegrityError("CHECK constraint failed"), False),
        (KeyError("x"), False),
    ],
)
def test_what_may_pass_is_the_machine_s_fault(error: Exception, passes: bool) -> None:
    assert may_pass(error) == passes
    assert not has_no_room(error)


def test_what_has_no_room_is_distinguished(site: Site) -> None:
    assert has_no_room(OSError(errno.ENOSPC, "No space left on device"))
    assert has_no_room(Unwritable("journal.unwritable", site.folder, OSError(errno.EIO, "Input/output error")))


@pytest.mark.parametrize("error", [MemoryError(), OSError(errno.EIO, "Input/output error")], ids=["memory", "disk"])
@pytest.mark.parametrize("times", [1, RETRIES_MAX, RETRIES_MAX + 1])
async def test_an_order_that_meets_a_surprise_is_tried_again_before_it_is_refused(
    site: Site, patient: Trainer, clock: Clock, monkeypatch: pytest.MonkeyPatch, error: Exception, times: int
) -> None:
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    met = 0

    def surprised(*arguments: Any, **options: Any) -> Any:
        nonlocal met
        if met < times:
            met += 1
            raise error
        return execute_order(*arguments, **options)

    monkeypatch.setattr(model_orders, "execute_order", surprised)
    for tried in every(range(1, min(times, RETRIES_MAX) + 1)):
        patient.process_inbox()
        assert met == tried
        patient.process_inbox()
        assert met == tried, "it is not tried before its time"
        assert (site.inbox / str(order.order_id)).exists()
        assert not (site.outbox / str(order.order_id)).exists()
        clock.now_s += FIRST_WAIT_S * 2 ** (tried - 1)
    patient.process_inbox()
    if times <= RETRIES_MAX:
        site.submission(order)
    else:
        assert site.refusal(order) == "trainer.failed"
    assert not (site.inbox / str(order.order_id)).exists()


async def test_an_order_waits_for_a_database_that_somebody_else_has_locked(
    site: Site, patient: Trainer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = site.job()
    order, next_order = site.order(manifest), site.order(manifest, number=2, round=2)
    patient.process_inbox()
    patient._memory._database.execute("PRAGMA busy_timeout = 10")
    with closing(sqlite3.connect(site.config.trainer_state / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        site.deliver(order, manifest)
        patient.process_inbox()
        assert not (site.outbox / str(order.order_id)).exists()
        assert (site.inbox / str(order.order_id)).exists()
        other.execute("ROLLBACK")
    site.deliver(next_order, manifest)
    clock.now_s += FIRST_WAIT_S
    patient.process_inbox()
    site.submission(order)
    site.submission(next_order)
    assert patient._memory.take(str(order.order_id), str(order.silo_id), 1) == 2, "what was not begun was not counted"


async def test_other_orders_are_executed_while_one_waits_for_its_retry(
    site: Site, patient: Trainer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = site.job(name="first"), site.job(name="second")
    orders = [site.order(first), site.order(second, number=2)]

    def surprised(task: Any, *arguments: Any, **options: Any) -> Any:
        if task.order.order_id == orders[0].order_id and clock.now_s == 1000.0:
            raise MemoryError
        return execute_order(task, *arguments, **options)

    monkeypatch.setattr(model_orders, "execute_order", surprised)
    for order, manifest in zip(orders, (first, second), strict=True):
        site.deliver(order, manifest)
    patient.process_inbox()
    site.submission(orders[1])
    assert not (site.outbox / str(orders[0].order_id)).exists()
    clock.now_s += FIRST_WAIT_S
    patient.process_inbox()
    site.submission(orders[0])


async def test_a_fault_of_the_program_is_refused_at_once(
    site: Site, patient: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("x")

    monkeypatch.setattr(model_orders, "execute_order", broken)
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    patient.process_inbox()
    assert site.refusal(order) == "trainer.failed"
    memory = Memory(site.config.trainer_state)
    assert memory.outcome(str(order.order_id)) is not None
    memory.close()
