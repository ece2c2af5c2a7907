"""Urgent orders are served between two batches of a running training, and the training comes to the same bits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from federation.errors import Invalid
from federation.protocol.documents import Manifest, Order, seal
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.folders import SafeDir
from silo_connector.journal import Journal
from silo_connector.spool import Spool
from silo_connector.trainer.kinds import audit_checkpoint
from silo_connector.trainer.kinds.audit_checkpoint import AuditCheckpointKind
from silo_connector.trainer.orders import inbox as inbox_module
from silo_connector.trainer.orders import urgent_lane
from silo_connector.trainer.orders.inbox import Inbox
from silo_connector.trainer.orders.urgent_lane import READ_AT_ONCE_MAX, SERVED_AT_ONCE_MAX, UrgentLane
from silo_connector.trainer.store import outbox
from silo_connector.trainer.store.audit_checkpoints import kept_checkpoints
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.outbox import Outcomes
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.runners import GOOD, Runner, agreed_to, job_of, reviewed, running, with_runner
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.states import hand
from tests.unit.silo_connector.test_checkpoints import CHAIN, TRUE, document, ordered, refused, signed

LOCAL = {"steps": 40, "batch_size": 4, "learning_rate": 0.1, "proximal_mu": 0.01}
AT = 20
"""The batch before which something comes in."""


class PowerCut(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """The inbox is looked at before every batch."""
    monkeypatch.setattr(urgent_lane, "LOOK_EVERY_S", 0.0)


class Batches:
    """Counts the batches of a training, and does something before some of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.before: dict[int, Callable[[], object]] = {}
        real = UrgentLane.serve_between_batches

        def watched(lane: UrgentLane) -> None:
            self.count += 1
            self.before.pop(self.count, lambda: None)()
            real(lane)

        monkeypatch.setattr(UrgentLane, "serve_between_batches", watched)


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Batches:
    return Batches(monkeypatch)


def undisturbed(site: Site, manifest: Manifest) -> bytes:
    """The update of a training that nothing interrupts."""
    trainer = Trainer(site.config)
    trainer.start()
    order = site.order(manifest)
    update = trained(site, trainer, order, manifest)
    trainer.close()
    return update


def trained(site: Site, trainer: Trainer, order: Order, manifest: Manifest) -> bytes:
    """The update of an order that is delivered and carried out now."""
    site.deliver(order, manifest)
    trainer.process_inbox()
    site.submission(order)
    return (site.outbox / str(order.order_id) / spool.UPDATE).read_bytes()


def events(site: Site) -> list[tuple[str, str]]:
    """What the journal says, each with its order."""
    return [(line["event"], str(line.get("order_id"))) for line in site.journal()]


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
    assert kept_checkpoints(site.config.trainer_state) == {CHAIN: TRUE.head(10)}
    told = events(site)
    places = [
        told.index(event)
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
    told = events(site)
    assert told.index(("sent", str(head.order_id))) < told.index(("order.allowed", str(order.order_id)))


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


def fails(error: Exception) -> Callable[..., Any]:
    def raises(*_: object, **__: object) -> Any:
        raise error

    return raises


async def test_a_fault_in_an_urgent_order_is_its_own(
    site: Site, trainer: Trainer, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = site.job(local=LOCAL)
    expected = undisturbed(site, manifest)
    batches.count = 0
    monkeypatch.setattr(AuditCheckpointKind, "execute", fails(ZeroDivisionError("patient 17")))
    order, head = site.order(manifest, number=2), ordered(site, 10)
    batches.before = {AT: lambda: hand(site, head)}
    assert trained(site, trainer, order, manifest) == expected
    assert refused(site, head) == "trainer.failed"


async def test_an_urgent_order_that_the_disk_has_no_room_for_waits_and_the_training_goes_on(
    site: Site, trainer: Trainer, batches: Batches
) -> None:
    manifest = site.job(local=LOCAL)
    expected = undisturbed(site, manifest)
    batches.count = 0
    order, head = site.order(manifest, number=2), ordered(site, 10)
    tries = 0
    real = AuditCheckpointKind.execute

    def full(*arguments: Any) -> Any:
        nonlocal tries
        tries += 1
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AuditCheckpointKind, "execute", full)
        batches.before = {AT: lambda: hand(site, head)}
        assert trained(site, trainer, order, manifest) == expected
    assert tries == 1, "it is not tried again before every batch"
    assert (site.inbox / str(head.order_id)).exists()
    assert AuditCheckpointKind.execute is real
    trainer.process_inbox()
    assert signed(site, head).position == 10


async def test_an_inbox_that_can_not_be_read_stops_no_training(
    site: Site, trainer: Trainer, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = site.job(local=LOCAL)
    expected = undisturbed(site, manifest)
    monkeypatch.setattr(Inbox, "order_ids", fails(Invalid("spool.too_many", "Too many entries.")))
    assert trained(site, trainer, site.order(manifest, number=2), manifest) == expected


async def test_a_forged_urgent_order_is_put_aside_and_the_training_goes_on(
    site: Site, trainer: Trainer, batches: Batches
) -> None:
    manifest = site.job(local=LOCAL)
    expected = undisturbed(site, manifest)
    batches.count = 0
    head = ordered(site, 10)

    def forged() -> None:
        hand(site, head)
        (site.inbox / str(head.order_id) / spool.ORDER).write_bytes(seal(head, PrivateKey.generate()))

    batches.before = {AT: forged}
    assert trained(site, trainer, site.order(manifest, number=2), manifest) == expected
    assert list(site.quarantined()) == [str(head.order_id)]


async def test_a_training_that_passes_itself_off_as_urgent_waits_for_its_turn(
    site: Site, trainer: Trainer, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay may swap files between two looks: the kind counts that was verified."""
    manifest = site.job(local=LOCAL)
    first, second = site.order(manifest, number=1), site.order(manifest, number=2)
    swapped: set[str] = set()
    real = Inbox.kind_unverified

    def lies(self: Inbox, name: str) -> str | None:
        return "checkpoint" if name in swapped else real(self, name)

    def comes() -> None:
        site.deliver(second, manifest)
        swapped.add(str(second.order_id))

    monkeypatch.setattr(Inbox, "kind_unverified", lies)
    batches.before = {AT: comes}
    trained(site, trainer, first, manifest)
    told = events(site)
    assert ("order.allowed", str(second.order_id)) not in told
    trainer.process_inbox()
    site.submission(second)


async def test_a_cancelled_training_ends_after_an_urgent_order_too(
    site: Site, trainer: Trainer, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "LOOK_EVERY_S", 0.0)
    manifest = site.job(local=LOCAL)
    order, head = site.order(manifest), ordered(site, 10)
    folder = site.deliver(order, manifest)

    def comes_and_is_cancelled() -> None:
        hand(site, head)
        (folder / spool.CANCELLED).touch()

    batches.before = {AT: comes_and_is_cancelled}
    trainer.process_inbox()
    assert batches.count == AT
    assert signed(site, head).position == 10
    assert not (site.outbox / str(order.order_id)).exists()


# --- power cuts -------------------------------------------------------------------------------------------------------

STEPS: list[tuple[object, str]] = [
    (Memory, "take"),
    (AuditCheckpointKind, "validate"),
    (AuditCheckpointKind, "execute"),
    (audit_checkpoint, "keep_heads"),
    (Journal, "sync"),
    (Memory, "finish"),
    (outbox, "record"),
    (SafeDir, "move"),
    (Spool, "delete_atomically"),
    (Outcomes, "prune"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("step", STEPS, ids=[step for _, step in STEPS])
async def test_a_power_cut_at_any_step_of_an_urgent_order_leaves_one_outcome_of_both(
    site: Site, batches: Batches, step: tuple[object, str], after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = site.job(local=LOCAL)
    expected = undisturbed(site, manifest)
    batches.count = 0
    order, head = site.order(manifest, number=2), ordered(site, 10, number=3)
    first = Trainer(site.config)
    first.process_inbox()
    owner, name = step
    real = getattr(owner, name)

    def cut(*arguments: Any, **options: Any) -> None:
        if after:
            real(*arguments, **options)
        raise PowerCut

    with monkeypatch.context() as patch:
        batches.before = {AT: lambda: (hand(site, head), patch.setattr(owner, name, cut))}
        site.deliver(order, manifest)
        with pytest.raises(PowerCut):
            first.process_inbox()
    assert batches.count == AT
    first.close()
    answer = site.outbox / str(head.order_id) / spool.DOCUMENT
    before = answer.read_bytes() if answer.exists() else None
    second = Trainer(site.config)
    second.start()
    second.process_inbox()
    second.process_inbox()
    assert not second.is_locked
    second.close()
    assert signed(site, head).position == 10
    assert before in (None, answer.read_bytes())
    site.submission(order)
    assert (site.outbox / str(order.order_id) / spool.UPDATE).read_bytes() == expected
    assert not [path for path in site.inbox.iterdir() if path.name != spool.ENROLMENT]
    assert not list((site.config.spool / "tmp").iterdir())
    assert kept_checkpoints(site.config.trainer_state) == {CHAIN: TRUE.head(10)}


def test_the_clock_of_the_work_stands_still_while_urgent_orders_are_served(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: moment_s)

    def serve(_: str) -> None:
        nonlocal moment_s
        moment_s += 30.0

    lane = UrgentLane(Inbox(Spool(site.config.spool), Journal(site.config.trainer_state)), {"checkpoint"}, serve)
    hand(site, ordered(site, 10))
    before_s = lane.working_s()
    lane.serve_between_batches()
    assert moment_s == 130.0
    assert lane.working_s() == before_s
    moment_s += 7.0
    assert lane.working_s() == before_s + 7.0
