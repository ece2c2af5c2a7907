"""What becomes of open orders when their silo may not work any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import current_app

from audit.models import Event
from consortia.actions import leave_consortium
from consortia.models import Participation
from silos import actions as silo_actions
from silos.transitions import SiloState
from tests.support.federation import TEST, Federation, PlayedSilo, certificate, make_federation, statement
from training import dispatch
from training.engine import answers, closing, recall_orders, start, tasks
from training.launch.actions import launch
from training.models import Job, Order, Round
from training.transitions import OUTSTANDING, JobState, OrderState, RoundState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


@pytest.fixture
def federation(blob_root: Path) -> Federation:
    return make_federation()


def launched(federation: Federation, **changes: object) -> Job:
    job = launch(consortium=federation.consortium, request=federation.request(**changes), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def order_of(job: Job, played: PlayedSilo) -> Order:
    return Order.objects.get(step__round__job=job, step__round__number=1, step__round__attempt=1, silo=played.silo)


def submit(federation: Federation, job: Job, *silos: PlayedSilo) -> None:
    for played in silos:
        answers.answer(document=played.train(order_of(job, played), 1.0), by=played.silo)


def revoke(federation: Federation, played: PlayedSilo) -> None:
    silo_actions.revoke(silo=played.silo, by=federation.administrator)


def leave(federation: Federation, played: PlayedSilo) -> None:
    place = Participation.objects.get(consortium=federation.consortium, organisation=played.silo.organisation)
    leave_consortium(participation=place, by=TEST)


def enrol_again(federation: Federation, played: PlayedSilo) -> None:
    code, _ = silo_actions.issue_code(silo=played.silo, by=federation.administrator)
    silo_actions.enrol(
        code=code,
        transport_key=played.transport.public,
        statement=statement(played.identity, played.signatory),
        certificate=certificate(played.silo.organisation.name, played.identity, played.signatory),
        by=TEST,
    )


@pytest.mark.parametrize(
    ("end", "code"),
    [(revoke, "silo.revoked"), (leave, "participation.ended"), (enrol_again, "silo.unconfirmed")],
)
@pytest.mark.parametrize("state", OUTSTANDING)
def test_open_orders_of_who_may_not_answer_are_recalled_and_reported(
    federation: Federation, end: Any, code: str, state: OrderState
) -> None:
    job, gone = launched(federation), federation.silos[2]
    Order.objects.filter(id=order_of(job, gone).id).update(state=state)
    end(federation, gone)
    assert recall_orders.call_back(by=TEST) == 1
    order = order_of(job, gone)
    assert (order.state, order.code) == (OrderState.CANCELLED, code)
    assert order.ended_at is not None
    event = Event.objects.get(job_id=job.id, verb="order.recalled")
    assert event.detail == {
        "evidence": {"order": str(order.id)},
        "round": 1,
        "silo": gone.silo.name,
        "code": code,
        "params": {},
    }
    assert (order.params, order.message, order.message_text != "") == ({}, "", True)
    assert recall_orders.call_back(by=TEST) == 0
    others = Order.objects.filter(step__round__job=job).exclude(silo=gone.silo)
    assert {order.state for order in others} == {OrderState.ISSUED}


def test_answered_orders_stay_what_they_are(federation: Federation) -> None:
    job, gone = launched(federation), federation.silos[2]
    submit(federation, job, gone)
    revoke(federation, gone)
    assert recall_orders.call_back(by=TEST) == 0
    assert order_of(job, gone).state == OrderState.SUBMITTED


def test_nobody_else_waits_for_a_revoked_silo(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    """The sweep nudges the round as soon as nobody else is left to answer; with a quorum it counts."""
    nudged: list[object] = []
    monkeypatch.setattr(current_app, "send_task", lambda task, args, **_: nudged.append((task, *args)))
    job, gone = launched(federation), federation.silos[2]
    round_ = Round.objects.get(job=job)
    revoke(federation, gone)
    submit(federation, job, federation.silos[0])
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep()
    assert nudged == []
    submit(federation, job, federation.silos[1])
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep()
    assert nudged == [(dispatch.CLOSE_STEP, round_.steps.get().id)]
    closing.close_step(step_id=round_.steps.get().id, by=TEST)
    round_.refresh_from_db()
    assert round_.state == RoundState.CLOSED
    second = Order.objects.filter(step__round__job=job, step__round__number=2)
    assert {order.silo_id for order in second} == {played.silo.id for played in federation.silos[:2]}


def test_below_the_quorum_the_round_is_abandoned_at_once(federation: Federation) -> None:
    job = launched(federation, quorum=3, retries_max=0)
    submit(federation, job, *federation.silos[:2])
    revoke(federation, federation.silos[2])
    recall_orders.call_back(by=TEST)
    closing.close_step(step_id=Round.objects.get(job=job).steps.get().id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.reason_code) == (JobState.PAUSED, "round.quorum_not_met")


def test_an_answer_to_an_order_that_was_recalled_changes_nothing(federation: Federation) -> None:
    job, gone = launched(federation), federation.silos[2]
    leave(federation, gone)
    recall_orders.call_back(by=TEST)
    taken = answers.answer(document=gone.train(order_of(job, gone), 1.0), by=gone.silo)
    assert (taken.state, taken.code) == (OrderState.CANCELLED, "participation.ended")
    assert gone.silo.state == SiloState.ACTIVE
