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
from silo_connector.folders import Folder
from silo_connector.spool import Spool
from silo_connector.trainer import inbox, outbox
from silo_connector.trainer import trainer as trainer_module
from silo_connector.trainer.execution import carry_out
from silo_connector.trainer.order_store import Memory
from silo_connector.trainer.trainer import Trainer
from tests.unit.silo_connector.sites import Site


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


async def test_train_and_evaluate(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    train = site.order(manifest)
    evaluate = site.order(manifest, 0.5, number=2, round=2, kind=OrderKind.EVALUATE, upload=None)
    site.deliver(train, manifest)
    site.deliver(evaluate, manifest)
    trainer.look()
    trained, evaluated = site.submission(train), site.submission(evaluate)
    assert trained.training is not None
    assert (trained.training.rows, trained.training.steps) == (39, 5)
    assert trained.evaluation is not None
    assert trained.evaluation.rows == 21
    assert set(trained.phases_s) == {"verify", "data", "evaluate", "load", "train", "write"}
    update = (site.outbox / str(train.order_id) / spool.UPDATE).read_bytes()
    assert trained.payload is not None
    assert digest_bytes(update) == trained.payload.digest
    assert (evaluated.payload, evaluated.training) == (None, None)
    assert evaluated.evaluation is not None
    assert list(site.inbox.iterdir()) == [site.inbox / "enrolment"]


async def test_the_registration_is_sent_once_and_again_when_it_says_something_new(site: Site, trainer: Trainer) -> None:
    trainer.look()
    trainer.look()
    (first,) = site.outbox.glob("dataset-*")
    first.rename(site.folder / "sent")
    trainer.look()
    assert not list(site.outbox.glob("dataset-*"))
    site.write_rows(62)
    trainer.look()
    assert not list(site.outbox.glob("dataset-*")), "62 rows are told as 60"
    site.write_rows(90)
    trainer.look()
    assert len(list(site.outbox.glob("dataset-*"))) == 1
    restarted = Trainer(site.config)
    restarted.look()
    restarted.close()
    assert len(list(site.outbox.glob("dataset-*"))) == 1


async def test_an_order_given_again_gets_the_same_bytes_and_is_not_trained_again(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.look()
    folder = site.outbox / str(order.order_id)
    first = files(folder)

    def must_not(*_: object, **__: object) -> None:
        raise AssertionError("trained twice")

    monkeypatch.setattr(trainer_module, "carry_out", must_not)
    site.deliver(order, manifest)
    trainer.look()
    assert files(folder) == first
    Spool(site.config.spool).drop("outbox", str(order.order_id))
    site.deliver(order, manifest)
    trainer.look()
    assert files(folder) == first
    Spool(site.config.spool).drop("outbox", str(order.order_id))
    restarted = Trainer(site.config)
    site.deliver(order, manifest)
    restarted.look()
    restarted.close()
    assert files(folder) == first


async def test_an_outcome_whose_payload_is_gone_is_not_made_up_again(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.look()
    Spool(site.config.spool).drop("outbox", str(order.order_id))
    for file in (site.config.trainer_state / "outcomes").iterdir():
        file.write_bytes(b"something else")
    site.deliver(order, manifest)
    trainer.look()
    assert not (site.outbox / str(order.order_id)).exists()
    assert site.quarantined() == {str(order.order_id): "outcome.pruned"}


async def test_a_number_counts_once(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    first, second = site.order(manifest), site.order(manifest)
    site.deliver(first, manifest)
    trainer.look()
    site.deliver(second, manifest)
    trainer.look()
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
        trainer.look()
        if order is not orders[0]:
            Spool(site.config.spool).drop("outbox", str(order.order_id))
    trainer.look()
    kept = {file.stem for file in (site.config.trainer_state / "outcomes").iterdir()}
    assert kept == {str(order.order_id) for order in (orders[0], *orders[-2:])}


async def test_a_cancelled_order_is_dropped(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    (site.deliver(order, manifest) / spool.CANCELLED).touch()
    trainer.look()
    assert not (site.outbox / str(order.order_id)).exists()
    assert not (site.inbox / str(order.order_id)).exists()


async def test_an_order_cancelled_while_it_is_worked_on_is_dropped(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = site.job()
    order = site.order(manifest)
    folder = site.deliver(order, manifest)
    real = carry_out

    def cancelled(*arguments: Any) -> Submission:
        (folder / spool.CANCELLED).touch()
        return real(*arguments)

    monkeypatch.setattr(trainer_module, "carry_out", cancelled)
    trainer.look()
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
    real, marked = carry_out, threading.Event()

    def mark() -> None:
        (folder / spool.CANCELLED).touch()
        marked.set()

    def cancelled(*arguments: Any) -> Submission:
        threading.Timer(delay_s, mark).start()
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module, "carry_out", cancelled)
        await asyncio.to_thread(trainer.look)
    assert marked.is_set()
    assert not folder.exists()
    assert not (site.outbox / str(order.order_id)).exists()
    assert not list((site.config.trainer_state / "outcomes").iterdir())
    manifest = site.job()
    following = site.order(manifest, number=2)
    site.deliver(following, manifest)
    trainer.look()
    assert site.submission(following).training is not None


async def test_the_marker_is_looked_for_at_once_and_then_now_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Folder.open(tmp_path) as folder:
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
    trainer.look()
    evaluation = site.submission(order).evaluation
    assert evaluation is not None
    assert (evaluation.rows, evaluation.figures, evaluation.suppressed) == (0, {}, True)


async def test_no_more_rows_are_told_than_the_manifest_lets_the_silo_weigh(site: Site, trainer: Trainer) -> None:
    """Also where data have become more since the launch: the weight is the one that all could see."""
    site.write_rows(90)  # 59 to train on
    manifest = site.job(weight_max=30)
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.look()
    training = site.submission(order).training
    assert training is not None
    assert training.rows == 30


async def test_data_may_become_fewer_while_a_job_runs_but_not_before_it_begins(site: Site, trainer: Trainer) -> None:
    begun, late = site.job(), site.job()
    for number, (manifest, rows) in enumerate([(begun, 60), (begun, 40), (late, 40)], start=1):
        site.write_rows(rows)
        order = site.order(manifest, number=number, round=2, attempt=number)
        site.deliver(order, manifest)
        trainer.look()
        if manifest is begun:
            site.submission(order)
        else:
            assert site.refusal(order) == "manifest.weights"


async def test_no_more_test_rows_are_told_than_were_registered(site: Site, trainer: Trainer) -> None:
    """Data that have grown since are used; they count as what was registered, and no cells are told."""
    manifest = site.job(rows_coarse=10)
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.look()
    evaluation = site.submission(order).evaluation
    assert evaluation is not None
    assert (evaluation.rows, evaluation.suppressed) == (14, True)
    assert "confusion" not in evaluation.figures
    assert "accuracy" in evaluation.figures


async def test_an_update_beyond_the_bound_stays_at_home(site: Site, trainer: Trainer) -> None:
    manifest = site.job(limits={"update_norm_l2_max": 1e-9, "minimum_cell": 5})
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.look()
    assert site.refusal(order) == "update.norm_exceeded"
    assert not list((site.config.trainer_state / "outcomes").iterdir())


async def test_what_is_wrong_with_the_data_stays_in_the_local_log(site: Site, trainer: Trainer) -> None:
    (site.folder / "tiny.csv").write_text("a,b,y\n1,2,0\nSomebody,2,1\n")
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.look()
    assert site.refusal(order) == "data.bad_value"
    assert b"Somebody" not in b"".join(files(site.outbox / str(order.order_id)).values())


async def test_a_fault_of_our_own_is_a_refusal_that_tells_nothing(
    site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError("patient 17")

    monkeypatch.setattr(trainer_module, "carry_out", fails)
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    trainer.look()
    assert site.refusal(order) == "trainer.failed"


async def test_a_full_disk_is_waited_for(site: Site, trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = site.job()
    order = site.order(manifest)
    site.deliver(order, manifest)
    real, failures = carry_out, iter(range(30))

    def full(*arguments: Any) -> Submission:
        if next(failures, None) is not None:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(trainer_module, "carry_out", full)
    for _ in range(31):
        trainer.look()
    site.submission(order)


async def test_an_order_that_always_kills_the_trainer_is_refused_in_the_end(site: Site, trainer: Trainer) -> None:
    manifest = site.job()
    order = site.order(manifest)
    memory = Memory(site.config.trainer_state)
    for _ in range(trainer_module.STARTS_MAX):
        memory.take(str(order.order_id), str(order.silo_id), order.number)
    memory.close()
    site.deliver(order, manifest)
    trainer.look()
    assert site.refusal(order) == "trainer.crashed"
