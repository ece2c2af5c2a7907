"""The trainer in this process: one outcome for each order, the same bytes however often it is asked for."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from federation.protocol.digests import digest_bytes
from federation.protocol.documents import OrderKind, Submission
from silo_connector import spool
from silo_connector.folders import SafeDir
from silo_connector.spool import Spool
from silo_connector.trainer import trainer as trainer_module
from silo_connector.trainer.kinds import model_orders
from silo_connector.trainer.kinds.execution import execute_order
from silo_connector.trainer.orders import inbox
from silo_connector.trainer.store import outbox
from silo_connector.trainer.store.order_store import Memory
from silo_connector.trainer.store.outbox import work_room
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import Site


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def test_the_trainer_trains_and_evaluates_a_model(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    train = site.order(manifest)
    evaluate = site.order(manifest, 0.5, number=2, round=2, kind=OrderKind.EVALUATE, outputs={})
    site.deliver(train, manifest)
    site.deliver(evaluate, manifest)
    trainer.process_inbox()
    trained, evaluated = site.submission(train), site.submission(evaluate)
    assert trained.training is not None
    assert (trained.training.rows, trained.training.steps) == (39, 5)
    assert trained.evaluation is not None
    assert trained.evaluation.rows == 21
    assert set(trained.phases_s) == {"verify", "data", "evaluate", "load", "train", "write"}
    update = (site.outbox / str(train.order_id) / spool.output_file("update")).read_bytes()
    assert trained.payloads
    assert digest_bytes(update) == trained.payloads["update"].digest
    assert (evaluated.payloads, evaluated.training) == ({}, None)
    assert evaluated.evaluation is not None
    assert list(site.inbox.iterdir()) == [site.inbox / "enrolment"]


async def test_the_registration_is_sent_once_and_again_when_it_says_something_new(site: Site, trainer: Trainer) -> None:
    trainer.process_inbox()
    trainer.process_inbox()
    (first,) = site.outbox.glob("dataset-*")
    first.rename(site.folder / "sent")
    trainer.process_inbox()
    assert not list(site.outbox.glob("dataset-*"))
    site.write_rows(62)
    trainer.process_inbox()
    assert not list(site.outbox.glob("dataset-*")), "62 rows are told as 60"
    site.write_rows(90)
    trainer.process_inbox()
    assert len(list(site.outbox.glob("dataset-*"))) == 1
    restarted = Trainer(site.config)
    restarted.process_inbox()
    restarted.close()
    assert len(list(site.outbox.glob("dataset-*"))) == 1


async def test_an_order_given_again_gets_the_same_bytes_and_is_not_trained_again(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    folder = site.outbox / str(order.order_id)
    first = files(folder)

    def must_not(*_: object, **__: object) -> None:
        raise AssertionError("trained twice")

    monkeypatch.setattr(model_orders, "execute_order", must_not)
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert files(folder) == first
    Spool(site.config.spool).delete_atomically("outbox", str(order.order_id))
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert files(folder) == first
    Spool(site.config.spool).delete_atomically("outbox", str(order.order_id))
    restarted = Trainer(site.config)
    site.deliver(order, manifest)
    restarted.process_inbox()
    restarted.close()
    assert files(folder) == first


async def test_an_outcome_whose_payload_is_gone_is_not_made_up_again(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    Spool(site.config.spool).delete_atomically("outbox", str(order.order_id))
    for file in (site.config.trainer_state / "outcomes").iterdir():
        file.write_bytes(b"something else")
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert not (site.outbox / str(order.order_id)).exists()
    assert site.quarantined() == {str(order.order_id): "outcome.pruned"}


async def test_a_number_counts_once(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    first, second = site.order(manifest), site.order(manifest)
    site.deliver(first, manifest)
    trainer.process_inbox()
    site.deliver(second, manifest)
    trainer.process_inbox()
    site.submission(first)
    assert site.refusal(second) == "order.number_reused"


async def test_payloads_are_pruned_but_never_one_that_waits(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "KEPT_NEWEST", 2)
    manifest = site.job()
    orders = [site.order(manifest, number=number) for number in range(1, 6)]
    for order in orders:
        site.deliver(order, manifest)
        trainer.process_inbox()
        if order is not orders[0]:
            Spool(site.config.spool).delete_atomically("outbox", str(order.order_id))
    trainer.process_inbox()
    kept = {file.name.partition(".")[0] for file in (site.config.trainer_state / "outcomes").iterdir()}
    assert kept == {str(order.order_id) for order in (orders[0], *orders[-2:])}


async def test_a_cancelled_order_is_dropped(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    (site.deliver(order, manifest) / spool.CANCELLED).touch()
    trainer.process_inbox()
    assert not (site.outbox / str(order.order_id)).exists()
    assert not (site.inbox / str(order.order_id)).exists()


async def test_an_order_cancelled_while_it_is_worked_on_is_dropped(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = site.job()
    order = site.order(manifest)
    folder = site.deliver(order, manifest)
    real = execute_order

    def cancelled(*arguments: Any) -> Submission:
        (folder / spool.CANCELLED).touch()
        return real(*arguments)

    monkeypatch.setattr(model_orders, "execute_order", cancelled)
    trainer.process_inbox()
    assert not (site.outbox / str(order.order_id)).exists()
    assert not folder.exists()


@pytest.mark.parametrize("delay_s", [0.0, 0.3])
async def test_a_cancelled_order_stops_the_training_that_is_under_way(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch, delay_s: float
) -> None:
    """The training asked for would take a minute; what comes after it is done at once, and as if nothing had been."""
    endless = site.job(local={"steps": 1_000_000, "batch_size": 4, "learning_rate": 0.001})
    order = site.order(endless)
    folder = site.deliver(order, endless)
    real, marked = execute_order, threading.Event()

    def mark() -> None:
        (folder / spool.CANCELLED).touch()
        marked.set()

    def cancelled(*arguments: Any) -> Submission:
        threading.Timer(delay_s, mark).start()
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(model_orders, "execute_order", cancelled)
        await asyncio.to_thread(trainer.process_inbox)
    assert marked.is_set()
    assert not folder.exists()
    assert not (site.outbox / str(order.order_id)).exists()
    assert not list((site.config.trainer_state / "outcomes").iterdir())
    manifest = site.job()
    following = site.order(manifest, number=2)
    site.deliver(following, manifest)
    trainer.process_inbox()
    assert site.submission(following).training is not None


async def test_the_marker_is_looked_for_at_once_and_then_now_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SafeDir.open(tmp_path) as folder:
        is_cancelled = inbox.cancellation(folder)
        assert not is_cancelled()
        (tmp_path / spool.CANCELLED).touch()
        assert not is_cancelled(), "it was looked for a moment ago"
        monkeypatch.setattr(inbox, "LOOK_EVERY_S", 0.0)
        assert is_cancelled()
        assert inbox.cancellation(folder)(), "the first time it is looked for"


async def test_the_site_s_own_minimum_cell_holds_whatever_the_job_says(site: Site, trainer: Trainer) -> None:
    site.write_rows(9)  # 4 rows for testing, and the site lets out no figure on fewer than 5
    manifest = site.job(limits={"update_norm_l2_max": 1e4, "minimum_cell": 1}, rows_coarse=10)
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    evaluation = site.submission(order).evaluation
    assert evaluation is not None
    assert (evaluation.rows, evaluation.figures, evaluation.suppressed) == (0, {}, True)


async def test_no_more_rows_are_reported_than_the_manifest_lets_the_silo_weigh(site: Site, trainer: Trainer) -> None:
    """Also where data have become more since the launch: the weight is the one that all could see."""
    site.write_rows(90)  # 59 to train on
    manifest = site.job(weight_max=30)
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    training = site.submission(order).training
    assert training is not None
    assert training.rows == 30


async def test_data_may_become_fewer_while_a_job_runs_but_not_before_it_begins(site: Site, trainer: Trainer) -> None:
    begun, late = site.job(), site.job()
    for number, (manifest, rows) in enumerate([(begun, 60), (begun, 40), (late, 40)], start=1):
        site.write_rows(rows)
        order = site.order(manifest, number=number, round=2, attempt=number)
        site.deliver(order, manifest)
        trainer.process_inbox()
        if manifest is begun:
            site.submission(order)
        else:
            assert site.refusal(order) == "manifest.weights"


async def test_no_more_test_rows_are_reported_than_were_registered(site: Site, trainer: Trainer) -> None:
    """Data that have grown since are used; they count as what was registered, and no cells are reported."""
    manifest = site.job(rows_coarse=10)
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    evaluation = site.submission(order).evaluation
    assert evaluation is not None
    assert (evaluation.rows, evaluation.suppressed) == (14, True)
    assert "confusion" not in evaluation.figures
    assert "accuracy" in evaluation.figures


async def test_an_update_beyond_the_bound_stays_at_home(site: Site, trainer: Trainer) -> None:
    manifest = site.job(limits={"update_norm_l2_max": 1e-9, "minimum_cell": 5})
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert site.refusal(order) == "update.norm_exceeded"
    assert not list((site.config.trainer_state / "outcomes").iterdir())


async def test_what_is_wrong_with_the_data_stays_in_the_local_log(site: Site, trainer: Trainer) -> None:
    (site.folder / "tiny.csv").write_text("a,b,y\n1,2,0\nSomebody,2,1\n")
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert site.refusal(order) == "data.bad_value"
    assert b"Somebody" not in b"".join(files(site.outbox / str(order.order_id)).values())


async def test_a_fault_of_our_own_is_a_refusal_that_reveals_nothing(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("patient 17")

    monkeypatch.setattr(model_orders, "execute_order", fails)
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert site.refusal(order) == "trainer.failed"


async def test_a_full_disk_is_waited_for(site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    real, failures = execute_order, iter(range(30))

    def full(*arguments: Any) -> Submission:
        if next(failures, None) is not None:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(model_orders, "execute_order", full)
    for _ in range(31):
        trainer.process_inbox()
    site.submission(order)


async def test_an_order_that_always_kills_the_trainer_is_refused_in_the_end(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    memory = Memory(site.config.trainer_state)
    for _ in range(trainer_module.STARTS_MAX):
        memory.take(str(order.order_id), str(order.silo_id), order.number)
    memory.close()
    site.deliver(order, manifest)
    trainer.process_inbox()
    assert site.refusal(order) == "trainer.crashed"


def test_two_orders_have_rooms_of_their_own(tmp_path: Path) -> None:
    """One may be carried out in the middle of the other."""
    with work_room(tmp_path, "first") as first:
        (first / "model").write_bytes(b"1")
        with work_room(tmp_path, "second") as second:
            assert not list(second.iterdir())
            (second / "model").write_bytes(b"2")
        assert not second.exists()
        assert (first / "model").read_bytes() == b"1"
    assert not first.exists()
    (first / "left").mkdir(parents=True)
    with work_room(tmp_path, "first") as again:
        assert not list(again.iterdir()), "what a crash has left is gone"
