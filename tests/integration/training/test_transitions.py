"""The tables of transitions rule: every statement that changes a state is tried from every state."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from federation.errors import FederationError
from federation.protocol.documents import OrderKind
from federation.protocol.envelope import sign
from federation.protocol.keys import PrivateKey
from tests.support.every import every
from tests.support.federation import TEST, Federation, make_federation
from training.engine import answers, rounds, start, steps
from training.engine.long_poll import fetch_deliverable_orders
from training.engine.sql import closing
from training.engine.sql.steps import Applied, mark_applied
from training.launch.actions import launch
from training.models import Evaluation, Job, Order, Payload, RefusalDocument, Round, Step, Submission
from training.states import move
from training.transitions import (
    ENDED,
    JOB,
    ORDER,
    ROUND,
    STEP,
    JobState,
    OrderState,
    RoundState,
    StepState,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


@pytest.fixture
def federation(blob_root: Path) -> Federation:
    return make_federation()


@pytest.fixture
def job(federation: Federation) -> Job:
    job = launch(consortium=federation.consortium, request=federation.request(wait="quorum"), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def put(order: Order, state: OrderState) -> None:
    """This order in this state, whatever it was in, with nothing answered."""
    Submission.objects.filter(order=order).delete()
    Payload.objects.filter(order=order).delete()
    Evaluation.objects.filter(order=order).delete()
    RefusalDocument.objects.filter(order=order).delete()
    Order.objects.filter(id=order.id).update(state=state, code="", answered_at=None)
    order.refresh_from_db()


def arrivals(
    order: Order, to: OrderState, do: Callable[[], object], undo: Callable[[], object] = lambda: None
) -> set[OrderState]:
    """From which states an order came to `to` by doing this; from no other did it change."""
    found = set()
    for state in OrderState:
        undo()
        put(order, state)
        with transaction.atomic():
            do()
        order.refresh_from_db()
        if state != to and order.state == to:
            found.add(state)
        else:
            assert order.state == state, f"{state} became {order.state}, where only {to} was wanted"
    return found


def allowed(table: Mapping[Any, frozenset[Any]], to: Any) -> set[Any]:
    return {state for state, after in table.items() if to in after}


def silent(do: Callable[[], object]) -> Callable[[], None]:
    """The same; what it refuses is refused."""

    def run() -> None:
        try:
            with transaction.atomic():
                do()
        except FederationError:
            return

    return run


def test_each_statement_moves_an_order_as_the_table_says_and_not_otherwise(federation: Federation, job: Job) -> None:
    first = federation.silos[0]
    order = Order.objects.get(step__round__job=job, silo=first.silo)
    step = order.step
    assert step is not None
    trained, refused = first.train(order, 1.0), first.refuse(order)

    def claim_again() -> None:
        Step.objects.filter(id=step.id).update(
            state=StepState.COLLECTING, lease=None, lease_until=None, deadline_at=timezone.now()
        )

    tried = {
        OrderState.ACCEPTED: arrivals(
            order, OrderState.ACCEPTED, lambda: fetch_deliverable_orders(first.silo, [order.id])
        ),
        OrderState.SUBMITTED: arrivals(
            order,
            OrderState.SUBMITTED,
            silent(lambda: order.state != OrderState.EXPIRED and answers.answer(document=trained, by=first.silo)),
        ),
        OrderState.REFUSED: arrivals(
            order,
            OrderState.REFUSED,
            silent(lambda: order.state != OrderState.EXPIRED and answers.answer(document=refused, by=first.silo)),
        ),
        OrderState.APPLIED: arrivals(order, OrderState.APPLIED, lambda: mark_applied([Applied(order.id)])),
        OrderState.EXPIRED: arrivals(order, OrderState.EXPIRED, lambda: steps.claim(step_id=step.id), claim_again),
    }
    assert tried == {to: allowed(ORDER, to) for to in tried}


def test_what_is_released_counts_as_delivered_only_where_it_was_issued(federation: Federation, job: Job) -> None:
    first = federation.silos[0]
    order = Order.objects.get(step__round__job=job, silo=first.silo)
    came = arrivals(order, OrderState.DELIVERED, lambda: fetch_deliverable_orders(first.silo, []))
    assert came == allowed(ORDER, OrderState.DELIVERED) == {OrderState.ISSUED}


@pytest.mark.parametrize("to", list(OrderState))
def test_moving_orders_passes_over_what_the_table_does_not_allow(job: Job, to: OrderState) -> None:
    order = Order.objects.filter(step__round__job=job).first()
    assert order is not None
    came = arrivals(order, to, lambda: Order.objects.filter(id=order.id).move(to))
    assert came == allowed(ORDER, to)


def _in_state(step: Step, state: StepState) -> dict[str, Any]:
    now = timezone.now()
    held = state == StepState.AGGREGATING
    over = state in {StepState.CLOSED, StepState.ABANDONED}
    return {
        "state": state,
        "lease": uuid4() if held else None,
        "lease_until": now if held else None,
        "closed_at": now if over else None,
    }


def test_each_statement_moves_a_step_as_the_table_says_and_not_otherwise(job: Job) -> None:
    step = Step.objects.get(round__job=job)
    Order.objects.filter(step=step).delete()  # nobody is waited for: it is due

    def came(to: StepState, do: Callable[[], object]) -> set[StepState]:
        found = set()
        for state in every(StepState):
            Step.objects.filter(id=step.id).update(**_in_state(step, state))
            do()
            step.refresh_from_db()
            if step.state == to and state != to:
                found.add(state)
            else:
                assert step.state == state
        return found

    assert came(StepState.AGGREGATING, lambda: steps.claim(step_id=step.id)) == allowed(STEP, StepState.AGGREGATING)
    assert came(StepState.CLOSED, lambda: closing.end_step(step.id)) == allowed(STEP, StepState.CLOSED)
    gone = {"closed_at": timezone.now(), "lease": None, "lease_until": None}
    move_on = Step.objects.filter(id=step.id)
    assert came(StepState.ABANDONED, lambda: move_on.move(StepState.ABANDONED, **gone)) == allowed(
        STEP, StepState.ABANDONED
    )


def test_each_statement_moves_a_round_as_the_table_says_and_not_otherwise(job: Job) -> None:
    round_ = job.rounds.get()
    step = round_.steps.get()

    def came(to: RoundState, do: Callable[[], object]) -> set[RoundState]:
        found = set()
        for state in every(RoundState):
            closed_at = None if state == RoundState.OPEN else timezone.now()
            Round.objects.filter(id=round_.id).update(state=state, closed_at=closed_at)
            do()
            round_.refresh_from_db()
            if round_.state == to and state != to:
                found.add(state)
            else:
                assert round_.state == state
        return found

    close = lambda: closing.end_round(round_.id, step_id=step.id, update_norm_l2=None)  # noqa: E731
    assert came(RoundState.CLOSED, close) == allowed(ROUND, RoundState.CLOSED)
    give_up = lambda: rounds.abandon_open_round(job=job, by=TEST, code="job.cancelled")  # noqa: E731
    with transaction.atomic():
        assert came(RoundState.ABANDONED, give_up) == allowed(ROUND, RoundState.ABANDONED)


def test_a_job_moves_as_the_table_says_and_not_otherwise(job: Job) -> None:
    tried = 0
    for source, to in every(itertools.product(JobState, JobState)):
        Job.objects.filter(id=job.id).update(state=source, ended_at=timezone.now() if source in ENDED else None)
        job.refresh_from_db()
        with transaction.atomic():
            if to in JOB[source]:
                move(job=job, to=to, by=TEST)
            else:
                with pytest.raises(FederationError) as caught:
                    move(job=job, to=to, by=TEST)
                assert caught.value.code == "job.wrong_state"
            transaction.set_rollback(True)
        tried += 1
    assert tried == len(JobState) ** 2


def test_the_database_takes_no_order_that_belongs_nowhere_and_one_of_a_job_s_beginning(job: Job) -> None:
    order = Order.objects.filter(step__round__job=job).first()
    assert order is not None
    names = {
        "train": {"step": None},
        "checkpoint": {},
        "reserve": {},
    }
    for number, (kind, changes) in enumerate(names.items()):
        fields = {
            "silo": order.silo,
            "number": 1000 + number,
            "kind": kind,
            "envelope": b"{}",
            "job": job,
            "base_version": order.base_version,
            "issued_at": timezone.now(),
            "expires_at": timezone.now(),
        }
        with pytest.raises(IntegrityError, match="order_of_a_"), transaction.atomic():
            Order.objects.create(**(fields | changes))
    envelope = sign(b'{"an":"order"}', "application/vnd.consilience.test+json", PrivateKey.generate())
    stands = Order.objects.create(
        silo=order.silo,
        number=2000,
        kind=OrderKind.RESERVE.value,
        envelope=envelope,
        job=job,
        issued_at=timezone.now(),
        expires_at=order.expires_at,
    )
    found = fetch_deliverable_orders(order.silo, [order.id])
    assert [given.order for given in found.orders] == [envelope]
    assert found.orders[0].manifest == bytes(job.manifest or b""), "an order of a job brings its manifest, step or not"
    stands.refresh_from_db()
    assert stands.state == OrderState.DELIVERED
