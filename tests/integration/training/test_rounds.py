"""A job from launch to its end, through the actions and on a real database, with silos that really sign."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.db import transaction
from django.utils import timezone

from artefacts import store
from audit.models import Event
from consortia.actions import leave_consortium
from consortia.models import Participation
from federation.errors import FederationError, Untrusted
from federation.learning.specification import parse_local
from federation.learning.weights import read_weights
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from federation.protocol.envelope import payload_unverified
from federation.protocol.keys import PrivateKey
from federation.protocol.tensors import TensorSpec
from federation.strategies import parse_strategy
from registry.models import ModelVersion
from tests.support.deletions import delete_what_has_served
from tests.support.federation import TEST, Federation, make_federation
from tests.support.plugins.added import add_parts
from training.engine import answers, closing, control, housekeeping, rounds, start, steps
from training.engine.sql import closing as statements
from training.launch.actions import launch
from training.models import Job, Order, Round, Step, Submission
from training.transitions import JobState, OrderState, RoundState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


@pytest.fixture
def federation(blob_root: Path) -> Federation:
    return make_federation()


def launched(federation: Federation, **changes: object) -> Job:
    job = launch(consortium=federation.consortium, request=federation.request(**changes), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def open_orders(job: Job) -> list[Order]:
    return list(Order.objects.filter(step__round__job=job, state=OrderState.ISSUED).order_by("silo_id"))


def answer_all(federation: Federation, job: Job, deltas: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Round:
    orders = open_orders(job)
    for order, delta in zip(orders, deltas, strict=False):
        played = federation.played(order.silo_id)
        answers.answer(document=played.train(order, delta), by=played.silo)
    return orders[0].round


def weights_of(version: ModelVersion) -> dict[str, np.ndarray]:
    layout = tuple(TensorSpec(name=s["name"], shape=tuple(s["shape"]), dtype=s["dtype"]) for s in version.model.layout)
    return read_weights(store.path_of(version.digest), layout)


def test_a_job_trains_its_rounds_evaluates_the_last_model_and_completes(federation: Federation) -> None:
    job = launched(federation)
    assert job.state == JobState.RUNNING
    for number in (1, 2):
        assert {order.kind for order in open_orders(job)} == {"train"}
        round_ = answer_all(federation, job)
        assert round_.number == number
        closing.close_step(step_id=round_.steps.get().id, by=TEST)
    assert {order.kind for order in open_orders(job)} == {"evaluate"}
    closing.close_step(step_id=answer_all(federation, job).steps.get().id, by=TEST)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert job.model is not None
    versions = list(job.model.versions.order_by("round_number"))
    assert [version.round_number for version in versions] == [0, 1, 2]
    assert [version.metrics["accuracy"] for version in versions] == [0.5, 0.5, 0.5]
    assert [version.is_best for version in versions] == [False, False, True]
    first, last = weights_of(versions[0]), weights_of(versions[2])
    for name in first:
        np.testing.assert_allclose(last[name], first[name] + 2, rtol=1e-6)
    assert not Order.objects.filter(step__round__job=job).exclude(state=OrderState.APPLIED).exists()


@pytest.mark.parametrize(
    ("strategy", "mu"),
    [
        ({"name": "fedavg"}, None),
        ({"name": "fedprox", "proximal_mu": 0.25}, 0.25),
        ({"name": "fedprox"}, parse_strategy({"name": "fedprox"}).local_settings["proximal_mu"]),
    ],
)
def test_silos_receive_the_strategy_s_proximal_term(
    federation: Federation, strategy: dict[str, Any], mu: float | None
) -> None:
    job = launched(federation, strategy=strategy)
    manifest = documents.read(documents.Manifest, payload_unverified(bytes(job.manifest or b"")))
    assert manifest.local is not None
    assert manifest.local.get("proximal_mu") == mu
    parse_local(manifest.local)


def test_updates_count_by_their_rows(federation: Federation) -> None:
    job = launched(federation)
    orders = open_orders(job)
    for order, delta, rows in zip(orders, (0.0, 3.0, 6.0), (10, 10, 40), strict=True):
        played = federation.played(order.silo_id)
        answers.answer(document=played.train(order, delta, rows), by=played.silo)
    closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    assert job.model is not None
    before, after = job.model.versions.order_by("round_number")[:2]
    np.testing.assert_allclose(
        weights_of(after)["linear.bias"] - weights_of(before)["linear.bias"], (3 * 10 + 6 * 40) / 60, rtol=1e-5
    )


def test_a_strategy_and_a_combiner_that_were_added_as_files_run_a_round(
    federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_parts(monkeypatch)
    job = launched(federation, strategy={"name": "half_median"})
    manifest = documents.read(documents.Manifest, payload_unverified(bytes(job.manifest or b"")))
    assert manifest.local is not None
    assert manifest.local["proximal_mu"] == 0.5
    orders = open_orders(job)
    for order, delta, rows in zip(orders, (0.0, 3.0, 90.0), (10, 10, 40), strict=True):
        played = federation.played(order.silo_id)
        answers.answer(document=played.train(order, delta, rows), by=played.silo)
    closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    assert job.model is not None
    before, after = job.model.versions.order_by("round_number")[:2]
    np.testing.assert_allclose(weights_of(after)["linear.bias"] - weights_of(before)["linear.bias"], 1.5, rtol=1e-5)
    counted = Submission.objects.filter(order__in=orders)
    assert [(one.update_norm_l2, one.update_cosine) for one in counted] == [(None, None)] * 3
    assert {order.state for order in Order.objects.filter(id__in=[one.id for one in orders])} == {OrderState.APPLIED}


def test_closing_twice_counts_once(federation: Federation) -> None:
    job = launched(federation)
    round_ = answer_all(federation, job)
    for _ in range(3):
        closing.close_step(step_id=round_.steps.get().id, by=TEST)
    assert job.model is not None
    assert job.model.versions.count() == 2
    assert Round.objects.filter(job=job).count() == 2


def test_a_worker_that_was_overtaken_changes_nothing(federation: Federation) -> None:
    job = launched(federation)
    round_ = answer_all(federation, job)
    step_id = round_.steps.get().id
    claimed = steps.claim(step_id=step_id)
    assert claimed is not None
    assert steps.claim(step_id=step_id) is None
    Step.objects.filter(id=step_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    closing.close_step(step_id=round_.steps.get().id, by=TEST)
    with transaction.atomic():
        assert not statements.lock_claimed_step(round_=claimed.round, step_id=step_id, lease=claimed.lease)
    assert job.model is not None
    assert job.model.versions.count() == 2


def test_the_same_answer_again_changes_nothing_and_another_is_a_conflict(federation: Federation) -> None:
    job = launched(federation)
    order = open_orders(job)[0]
    played = federation.played(order.silo_id)
    document = played.train(order, 1.0)
    for _ in range(2):
        assert answers.answer(document=document, by=played.silo).state == OrderState.SUBMITTED
    with pytest.raises(FederationError) as caught:
        answers.answer(document=played.train(order, 2.0), by=played.silo)
    assert caught.value.code == "order.already_answered"


def test_an_answer_signed_by_another_key_is_not_taken(federation: Federation) -> None:
    job = launched(federation)
    order = open_orders(job)[0]
    played = federation.played(order.silo_id)
    played.identity = PrivateKey.generate()
    with pytest.raises(Untrusted):
        answers.answer(document=played.train(order, 1.0), by=played.silo)
    order.refresh_from_db()
    assert order.state == OrderState.ISSUED


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"round": 7}, "submission.other_order"),
        ({"number": 999}, "submission.other_order"),
        ({"kind": "nobody_knows"}, "submission.other_order"),
        ({"manifest_digest": "sha256:" + "0" * 64}, "submission.other_manifest"),
        ({"model_digest": "sha256:" + "0" * 64}, "submission.other_model"),
        ({"payloads": {}}, "submission.payload"),
        (
            {"payloads": {"update": {"kind": "update.f32", "digest": "sha256:" + "0" * 64, "size_bytes": 5}}},
            "submission.payload_missing",
        ),
    ],
)
def test_an_answer_that_does_not_fit_its_order_is_refused(
    federation: Federation, changes: dict[str, Any], code: str
) -> None:
    order = open_orders(launched(federation))[0]
    played = federation.played(order.silo_id)
    with pytest.raises(FederationError) as caught:
        answers.answer(document=played.train(order, 1.0, **changes), by=played.silo)
    assert caught.value.code == code


def test_a_bad_update_is_rejected_with_a_code_and_the_others_count(federation: Federation) -> None:
    job = launched(federation)
    round_ = answer_all(federation, job, (1.0, float("nan"), 3.0))
    closing.close_step(step_id=round_.steps.get().id, by=TEST)
    states = dict(Order.objects.filter(step__round=round_).values_list("state", "code"))
    assert states == {OrderState.APPLIED: "", OrderState.REJECTED: "update.not_finite"}
    assert job.model is not None
    before, after = job.model.versions.order_by("round_number")[:2]
    np.testing.assert_allclose(weights_of(after)["linear.bias"] - weights_of(before)["linear.bias"], 2.0, rtol=1e-5)


def test_an_update_whose_file_is_lost_is_rejected_with_a_code_and_the_others_count(federation: Federation) -> None:
    job = launched(federation)
    round_ = answer_all(federation, job, (1.0, 2.0, 3.0))
    lost = Order.objects.filter(step__round=round_).order_by("pk")[0]
    store.path_of(lost.payloads.get().digest).unlink()
    closing.close_step(step_id=round_.steps.get().id, by=TEST)
    round_.refresh_from_db()
    assert round_.state == RoundState.CLOSED
    states = dict(Order.objects.filter(step__round=round_).values_list("state", "code"))
    assert states == {OrderState.APPLIED: "", OrderState.REJECTED: "update.missing"}
    lost.refresh_from_db()
    assert (lost.params, lost.message) == ({}, "")
    assert (lost.state, lost.message_text) == (OrderState.REJECTED, "The update's file is not there any more.")
    events = Event.objects.get(verb="update.rejected", job_id=job.id)
    assert events.detail["code"] == "update.missing"


def test_at_the_deadline_the_quorum_decides(federation: Federation) -> None:
    job = launched(federation)
    round_ = answer_all(federation, job, (1.0, 1.0))
    closing.close_step(step_id=round_.steps.get().id, by=TEST)
    round_.refresh_from_db()
    assert round_.state == RoundState.OPEN
    Step.objects.filter(round=round_).update(deadline_at=timezone.now())
    closing.close_step(step_id=round_.steps.get().id, by=TEST)
    round_.refresh_from_db()
    assert round_.state == RoundState.CLOSED
    late = Order.objects.get(step__round=round_, state=OrderState.EXPIRED)
    played = federation.played(late.silo_id)
    assert answers.answer(document=played.train(late, 1.0), by=played.silo).state == OrderState.LATE


def test_below_the_quorum_a_round_is_tried_again_and_then_the_job_pauses(federation: Federation) -> None:
    job = launched(federation, retries_max=1)
    for attempt in (1, 2):
        round_ = answer_all(federation, job, (1.0,))
        assert round_.attempt == attempt
        Step.objects.filter(round=round_).update(deadline_at=timezone.now())
        closing.close_step(step_id=round_.steps.get().id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.reason_code) == (JobState.PAUSED, "round.quorum_not_met")
    control.resume(job=job, by=federation.scientist)
    rounds.reopen(job_id=job.id, by=TEST)
    assert [order.round.attempt for order in open_orders(job)] == [3, 3, 3]


def test_when_all_have_answered_and_too_many_refused_nobody_waits_for_the_deadline(federation: Federation) -> None:
    job = launched(federation, retries_max=0)
    for order in open_orders(job):
        played = federation.played(order.silo_id)
        answers.answer(document=played.refuse(order), by=played.silo)
    closing.close_step(step_id=Round.objects.get(job=job).steps.get().id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.reason_code) == (JobState.PAUSED, "round.quorum_not_met")
    assert Event.objects.filter(job_id=job.id, verb="order.refused").count() == 3


def test_cancelling_calls_orders_back(federation: Federation) -> None:
    job = launched(federation)
    control.cancel(job=job, by=federation.scientist)
    assert {order.state for order in Order.objects.filter(step__round__job=job)} == {OrderState.CANCELLED}
    assert not Round.objects.filter(job=job, state=RoundState.OPEN).exists()


def test_pausing_lets_the_open_round_end_and_opens_no_other(federation: Federation) -> None:
    job = launched(federation)
    control.pause(job=job, by=federation.scientist)
    closing.close_step(step_id=answer_all(federation, job).steps.get().id, by=TEST)
    assert not open_orders(job)
    job.refresh_from_db()
    control.resume(job=job, by=federation.scientist)
    rounds.reopen(job_id=job.id, by=TEST)
    assert len(open_orders(job)) == 3


def test_an_evaluation_job_evaluates_a_stored_model_once(federation: Federation) -> None:
    trained = launched(federation, rounds=1)
    closing.close_step(step_id=answer_all(federation, trained).steps.get().id, by=TEST)
    assert trained.model is not None
    version = trained.model.versions.latest("round_number")
    job = launched(federation, task="evaluate", model=None, model_version=str(version.id))
    assert {order.kind for order in open_orders(job)} == {"evaluate"}
    closing.close_step(step_id=answer_all(federation, job).steps.get().id, by=TEST)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert trained.model.versions.count() == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"datasets": ["00000000-0000-4000-8000-000000000000"], "quorum": 1}, "dataset.unknown"),
        ({"quorum": 0}, "job.invalid"),
        ({"quorum": 4}, "job.invalid"),
        ({"protection": None}, "job.protection"),
        ({"model": {"family": "oracle"}}, "model.unknown_family"),
        ({"model": {"family": "mlp", "hidden": [10**9]}}, "model.invalid"),
        ({"strategy": {"name": "magic"}}, "strategy.unknown"),
        ({"local": {"epochs": 1, "steps": 1}}, "local.invalid"),
        ({"rounds": 0}, "job.invalid"),
        ({"name": "\x00"}, "job.invalid"),
        ({"model_version": "00000000-0000-4000-8000-000000000000"}, "job.invalid"),
    ],
)
def test_a_wrong_launch_is_reported_and_leaves_nothing(
    federation: Federation, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(FederationError) as caught:
        launch(consortium=federation.consortium, request=federation.request(**changes), by=federation.scientist)
    assert caught.value.code == code
    assert not Job.objects.exists()


def test_a_round_that_kills_every_worker_is_abandoned(federation: Federation) -> None:
    job = launched(federation, retries_max=0)
    round_ = answer_all(federation, job)
    step_id = round_.steps.get().id
    for _ in range(steps.CLAIMS_MAX):
        claim = steps.claim(step_id=step_id)
        assert claim is not None
        assert not steps.is_hopeless(claim)
        Step.objects.filter(id=step_id).update(lease_until=timezone.now() - timedelta(seconds=1))
    closing.close_step(step_id=step_id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.reason_code) == (JobState.PAUSED, "round.not_closed")


def test_a_member_that_left_gets_no_further_order(federation: Federation) -> None:
    job = launched(federation)
    round_ = answer_all(federation, job)
    left = federation.silos[2].silo
    leave_consortium(
        participation=Participation.objects.get(consortium=federation.consortium, organisation=left.organisation),
        by=TEST,
    )
    closing.close_step(step_id=round_.steps.get().id, by=TEST)
    assert left.id not in {order.silo_id for order in open_orders(job)}
    assert len(open_orders(job)) == 2


def test_what_nobody_refers_to_is_deleted_after_a_while(federation: Federation) -> None:
    job = launched(federation)
    assert job.model is not None
    kept = job.model.versions.get().digest
    orphan = digest_bytes(b"nobody's")
    store.release(store.put_bytes(b"nobody's", orphan))
    old_s = time.time() - 2 * housekeeping.ABANDONED_FILES_S
    for digest in (kept, orphan):
        os.utime(store.path_of(digest), (old_s, old_s))
    delete_what_has_served(by=TEST)
    assert store.size_bytes(orphan) is None
    assert store.size_bytes(kept) is not None


def test_updates_are_deleted_when_the_next_round_has_closed(federation: Federation) -> None:
    job = launched(federation)
    digests = []
    for number in (1, 2):
        orders = open_orders(job)
        round_ = answer_all(federation, job, (10.0**number, 2 * 10.0**number, 3 * 10.0**number))
        closing.close_step(step_id=round_.steps.get().id, by=TEST)
        digests.append([order.payloads.get().digest for order in Order.objects.filter(id__in=[o.id for o in orders])])
        housekeeping.delete_updates(by=TEST)
    assert all(store.size_bytes(digest) is None for digest in digests[0])
    assert all(store.size_bytes(digest) is not None for digest in digests[1])
