"""Orders of no step that are answered and recalled at the same moment, by two connections: one of the two counts."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from django.db import connections, transaction
from django.utils import timezone

from audit.actors import Actor
from federation.protocol import documents
from federation.protocol.documents import OrderKind
from federation.protocol.envelope import payload_unverified
from silos.models import Silo
from tests.support.every import every
from tests.support.federation import ENVIRONMENT, TEST, Federation, make_federation
from tests.support.patience import FAILS_AFTER_S
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training.engine import answers, control, recall_orders, start, stepless, sweep
from training.launch.actions import launch
from training.models import Job, Order
from training.transitions import JobState, OrderState

A_WHILE_S = 1.0
"""So long the other side has for getting in the way; nothing fails where it is too short."""
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def given(transactional_db: None, blob_root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Federation, Job, Order]:
    """A running job with one order to reserve."""
    federation = make_federation()  # before: it is remembered for other tests
    add_parts(monkeypatch, OF_THE_PLATFORM)
    job = launch(consortium=federation.consortium, request=federation.request(rounds=1), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    with transaction.atomic():
        job, now = Job.objects.select_for_update().get(id=job.id), timezone.now()
        (order_id,) = stepless.issue(
            job=job,
            kind=OrderKind.RESERVE,
            silo_ids=[federation.silos[0].silo.id],
            issued_at=now,
            expires_at=now + timedelta(hours=1),
            by=TEST,
        )
    return federation, job, Order.objects.get(id=order_id)


def submit(federation: Federation, order: Order) -> None:
    document = documents.read(documents.Order, payload_unverified(bytes(order.envelope)))
    fields = {"order_id", "number", "kind", "silo_id", "job_id", "round", "attempt", "manifest_digest"}
    statement = documents.Submission(
        **document.model_dump(include=fields), environment=ENVIRONMENT, created_at=documents.now()
    )
    sealed = documents.sign_document(statement, federation.silos[0].identity)
    answers.answer(document=sealed, by=federation.silos[0].silo)


def refuse(federation: Federation, order: Order) -> None:
    answers.answer(document=federation.silos[0].refuse(order), by=federation.silos[0].silo)


def expire(_: Federation, order: Order) -> None:
    Order.objects.filter(id=order.id).update(expires_at=timezone.now() - timedelta(seconds=1))
    sweep.nudge(by=TEST)


def revoke(federation: Federation, _: Order) -> None:
    Silo.objects.filter(id=federation.silos[0].silo.id).update(state=Silo.State.REVOKED)
    recall_orders.call_back(by=TEST)


@pytest.mark.parametrize(
    ("settle", "state"),
    [
        (submit, OrderState.APPLIED),
        (refuse, OrderState.REFUSED),
        (expire, OrderState.EXPIRED),
        (revoke, OrderState.CANCELLED),
    ],
)
def test_a_job_that_is_cancelled_while_its_order_is_settled_waits_for_that(
    given: tuple[Federation, Job, Order],
    monkeypatch: pytest.MonkeyPatch,
    settle: Callable[[Federation, Order], None],
    state: OrderState,
) -> None:
    """The order's kind changes its job by what became of it, as one does that has reserved a budget."""
    federation, job, order = given
    beside: list[Thread] = []
    settled: list[tuple[UUID, str]] = []

    def cancel() -> None:
        try:
            control.cancel(job=job, by=TEST)
        finally:
            connections.close_all()

    def note(_: Any, order_ids: Collection[UUID], to: OrderState, by: Actor) -> None:
        del by
        if not beside:
            beside.append(Thread(target=cancel))
            beside[0].start()
            beside[0].join(A_WHILE_S)  # it waits for what is locked here
        Job.objects.select_for_update().get(id=job.id)
        settled.extend((order_id, to.value) for order_id in order_ids)

    monkeypatch.setattr(import_module("training.engine.kinds.reserving").Reserving, "settle", note)
    settle(federation, order)
    for thread in every(beside):
        thread.join(FAILS_AFTER_S)
    order.refresh_from_db()
    job.refresh_from_db()
    assert (order.state, settled, job.state) == (state, [(order.id, state.value)], JobState.CANCELLED)
