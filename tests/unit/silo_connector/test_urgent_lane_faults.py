"""Urgent orders that fail, are forged or meet a power cut: the training goes on, each order has one outcome."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from federation.errors import Invalid
from federation.protocol.documents import sign_document
from federation.protocol.keys import PrivateKey
from silo_connector import spool
from silo_connector.folders import SafeDir
from silo_connector.journal import Journal
from silo_connector.spool import Spool
from silo_connector.trainer.kinds import audit_checkpoint
from silo_connector.trainer.kinds.audit_checkpoint import AuditCheckpointKind
from silo_connector.trainer.orders import inbox as inbox_module
from silo_connector.trainer.orders.inbox import Inbox
from silo_connector.trainer.orders.urgent_lane import UrgentLane
from silo_connector.trainer.store import outbox
from silo_connector.trainer.store.audit_checkpoints import stored_heads
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.outbox import Outcomes
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import Site
from tests.unit.silo_connector.states import hand
from tests.unit.silo_connector.test_checkpoints import CHAIN, TRUE, ordered, refused, signed
from tests.unit.silo_connector.urgent import AT, LOCAL, Batches, PowerCut, events, trained, undisturbed

pytestmark = pytest.mark.usefixtures("no_pause")


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
        (site.inbox / str(head.order_id) / spool.ORDER).write_bytes(sign_document(head, PrivateKey.generate()))

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
    reported = events(site)
    assert ("order.allowed", str(second.order_id)) not in reported
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
    (audit_checkpoint, "store_heads"),
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
    assert (site.outbox / str(order.order_id) / spool.output_file("update")).read_bytes() == expected
    assert not [path for path in site.inbox.iterdir() if path.name != spool.ENROLMENT]
    assert not list((site.config.spool / "tmp").iterdir())
    assert stored_heads(site.config.trainer_state) == {CHAIN: TRUE.head(10)}


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


async def test_an_urgent_order_under_back_off_is_not_tried_before_its_time(
    site: Site, trainer: Trainer, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AuditCheckpointKind, "execute", fails(sqlite3.OperationalError("database is locked")))
    head = ordered(site, 10)
    hand(site, head)
    trainer.process_inbox()  # first surprise: in 5 s again
    name = str(head.order_id)
    assert trainer._retries._met[name] == 1
    manifest = site.job(local=LOCAL)
    for number in range(2, 4):
        batches.count = 0
        trained(site, trainer, site.order(manifest, number=number), manifest)
    assert trainer._retries._met[name] == 1
