"""Urgent orders are served between two batches of a running training, and the training comes to the same bits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from silo_connector.journal import Journal
from silo_connector.spool import Spool
from silo_connector.trainer.kinds import audit_checkpoint
from silo_connector.trainer.orders import urgent_lane
from silo_connector.trainer.orders.inbox import Inbox
from silo_connector.trainer.orders.urgent_lane import READ_AT_ONCE_MAX, SERVED_AT_ONCE_MAX, UrgentLane
from silo_connector.trainer.store.audit_checkpoints import stored_heads
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.runners import GOOD, Runner, agreed_to, job_of, reviewed, running, with_runner
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.states import hand
from tests.unit.silo_connector.test_checkpoints import CHAIN, TRUE, document, ordered, refused, signed
from tests.unit.silo_connector.urgent import AT, LOCAL, Batches, events, trained, undisturbed

pytestmark = pytest.mark.usefixtures("no_pause")


async def test_a_countersignature_overtakes_a_training_and_the_update_is_equal_to_the_bit(
    site: Site, trainer: Trainer, batches: Batches
) -> None:
    manifest = site.job(local=LOCAL)
    expected = undisturbed(site, manifest)
    assert batches.count == LOCAL["steps"]
    batches.count = 0
    order, head = site.order(manifest, number=2), ordered(site, 10)

    def is_answered() -> None:
        assert signed(site, head).position == 10, "before the next batch it has its answer"
        assert not (site.inbox / str(head.order_id)).exists()
        assert trainer.is_working

    batches.before = {AT: lambda: hand(site, head), AT + 1: is_answered}
    assert trained(site, trainer, order, manifest) == expected
    assert not batches.before, "both were done"
    assert stored_heads(site.config.trainer_state) == {CHAIN: TRUE.head(10)}
    reported = events(site)
    places = [
        reported.index(event)
        for event in (
            ("order.allowed", str(order.order_id)),
            ("checkpoint.countersigned", str(head.order_id)),
            ("sent", str(head.order_id)),
            ("sent", str(order.order_id)),
        )
    ]
    assert places == sorted(places)
    assert not list((site.config.trainer_state / "work").iterdir())


async def test_an_urgent_order_that_waits_comes_before_an_older_training(site: Site, trainer: Trainer) -> None:
    trainer.process_inbox()
    manifest = site.job()
    order, head = site.order(manifest), ordered(site, 10)
    site.deliver(order, manifest)
    hand(site, head)
    trainer.process_inbox()
    reported = events(site)
    assert reported.index(("sent", str(head.order_id))) < reported.index(("order.allowed", str(order.order_id)))


# --- training plans: the batches are computed by another process ------------------------------------------------------


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    with running() as found:
        yield found


@pytest.mark.slow
async def test_a_countersignature_overtakes_a_training_plan_and_its_time_stands_still(
    site: Site, runner: Runner, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    coding = with_runner(site, runner.socket, order_timeout_s=600)
    plan = reviewed(coding, GOOD, "Ada")
    agreed_to(coding, plan)
    manifest = job_of(coding, plan, local=LOCAL)
    expected = undisturbed(coding, manifest)
    batches.count = 0
    late_s = 0.0
    real = time.monotonic

    def takes_an_hour(*arguments: Any) -> None:
        nonlocal late_s
        late_s += 3600.0

    monkeypatch.setattr("time.monotonic", lambda: real() + late_s)
    monkeypatch.setattr(audit_checkpoint, "check_may_leave", takes_an_hour)
    trainer = Trainer(coding.config)
    trainer.start()
    order, head = coding.order(manifest, number=2), ordered(coding, 10)
    batches.before = {AT: lambda: hand(coding, head), AT + 1: lambda: signed(coding, head)}
    assert trained(coding, trainer, order, manifest) == expected
    assert not batches.before
    assert late_s == 3600.0
    trainer.close()


# --- numbers ----------------------------------------------------------------------------------------------------------


async def test_numbers_are_used_once_in_whatever_order_they_come(
    site: Site, trainer: Trainer, batches: Batches
) -> None:
    """A higher number is answered while a lower one is under way; each belongs to one order for ever."""
    manifest = site.job(local=LOCAL)
    expected = undisturbed(site, manifest)
    batches.count = 0
    order, later = site.order(manifest, number=50), ordered(site, 10, number=60)
    replayed = [ordered(site, 11, 10, number=number) for number in (50, 60)]
    lower = ordered(site, 11, 10, number=40)
    answer = b""

    def again() -> None:
        nonlocal answer
        answer = document(site, later)
        Spool(site.config.spool).delete_atomically("outbox", str(later.order_id))
        for one in (later, *replayed):
            hand(site, one)

    batches.before = {AT: lambda: hand(site, later), AT + 1: again, AT + 2: lambda: hand(site, lower)}
    assert trained(site, trainer, order, manifest) == expected
    assert not batches.before
    assert answer, "the higher number was answered at once"
    assert document(site, later) == answer, "the same order again gets the same bytes"
    assert [refused(site, one) for one in replayed] == ["order.number_reused"] * 2
    assert signed(site, lower).position == 11, "a number that nobody has used is good, lower or not"
    memory = Memory(site.config.trainer_state)
    silo_id = str(site.platform.silo_id)
    owners = {number: memory.owner(silo_id, number) for number in (40, 50, 60)}
    memory.close()
    assert owners == {40: str(lower.order_id), 50: str(order.order_id), 60: str(later.order_id)}
    restarted = Trainer(site.config)
    restarted.start()
    restarted.process_inbox()
    assert not restarted.is_locked, "the journal and what is kept say the same"
    restarted.close()


# --- bounds and errors ------------------------------------------------------------------------------------------------


async def test_a_few_are_served_at_once_and_the_others_before_later_batches(
    site: Site, trainer: Trainer, batches: Batches
) -> None:
    manifest = site.job(local=LOCAL)
    expected = undisturbed(site, manifest)
    batches.count = 0
    order = site.order(manifest, number=2)
    flood = [ordered(site, 10) for _ in range(2 * SERVED_AT_ONCE_MAX + 1)]
    left: list[int] = []

    def count() -> None:
        left.append(sum((site.inbox / str(one.order_id)).exists() for one in flood))

    batches.before = {AT: lambda: [hand(site, one) for one in flood]}
    batches.before |= {AT + more: count for more in (1, 2, 3)}
    assert trained(site, trainer, order, manifest) == expected
    assert left == [SERVED_AT_ONCE_MAX + 1, 1, 0]


def test_the_inbox_is_looked_at_now_and_then_only(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    def count(self: Inbox) -> set[str]:
        nonlocal looked
        looked += 1
        return set()

    monkeypatch.setattr(Inbox, "order_ids", count)
    monkeypatch.setattr(urgent_lane, "LOOK_EVERY_S", 3600.0)
    lane = UrgentLane(
        Inbox(Spool(site.config.spool), Journal(site.config.trainer_state)), {"checkpoint"}, lambda _: None
    )
    for _ in range(100):
        lane.serve_between_batches()
    assert looked == 1


def test_only_so_many_orders_are_read_at_once_and_each_of_them_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    served: list[str] = []
    real = Inbox.kind_unverified

    def noted(self: Inbox, name: str) -> str | None:
        read.append(name)
        return real(self, name)

    monkeypatch.setattr(Inbox, "kind_unverified", noted)
    manifest = site.job()
    for number in range(1, READ_AT_ONCE_MAX + 11):
        site.deliver(site.order(manifest, number=number), manifest)
    head = hand(site, ordered(site, 10))
    inbox = Inbox(Spool(site.config.spool), Journal(site.config.trainer_state))

    def serve(name: str) -> None:
        served.append(name)
        Spool(site.config.spool).delete_atomically("inbox", name)

    lane = UrgentLane(inbox, {"checkpoint"}, serve)
    lane.serve_between_batches()
    assert len(read) == READ_AT_ONCE_MAX
    for _ in range(3):
        lane.serve_between_batches()
    assert served == [str(head.order_id)]
    assert len(read) == len(set(read)) == READ_AT_ONCE_MAX + 11
