"""Orders of a job that belong to no step of a round, of a kind of the tests' own: from their issue to the evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from audit import chaining, checkpoints
from evidence import passports
from evidence.bundles import bundle_of
from federation.errors import Invalid
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import read_bundle
from federation.evidence.verification import verify_evidence
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import OrderKind
from federation.protocol.envelope import payload_unverified
from rest.errors import Conflict
from silos.models import Silo
from tests.support.federation import ENVIRONMENT, TEST, Federation, PlayedSilo, make_federation
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training.engine import answers, closing, control, housekeeping, issuing, recall_orders, start, stepless, sweep
from training.engine.sql.orders import FoundOrder, fetch_deliverable
from training.launch.actions import launch
from training.models import Job, Order, Payload
from training.transitions import OUTSTANDING, JobState, OrderState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, blob_root: Path) -> tuple[Federation, Job]:
    federation = make_federation()  # before: it is remembered for other tests
    add_parts(monkeypatch, OF_THE_PLATFORM)
    settled().clear()
    job = launch(consortium=federation.consortium, request=federation.request(rounds=1), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return federation, job


def settled() -> list[tuple[UUID, str]]:
    """What the kind was notified of, as the engine has found it."""
    found: list[tuple[UUID, str]] = import_module("training.engine.kinds.reserving").SETTLED
    return found


def reserve(federation: Federation, job: Job) -> list[Order]:
    """An order to reserve for each silo, in the order of the silos."""
    with transaction.atomic():
        now = timezone.now()
        stepless.issue(
            job=Job.objects.select_for_update().get(id=job.id),
            kind=OrderKind.RESERVE,
            silo_ids=[one.silo.id for one in federation.silos],
            issued_at=now,
            expires_at=now + timedelta(hours=1),
            by=TEST,
        )
    return [Order.objects.get(job=job, step=None, silo=one.silo) for one in federation.silos]


def reserved(played: PlayedSilo, order: Order, **changes: Any) -> bytes:
    """A silo's signed answer."""
    document = documents.read(documents.Order, payload_unverified(bytes(order.envelope)))
    fields: dict[str, Any] = {
        **document.model_dump(include={"order_id", "number", "kind", "silo_id", "job_id", "round", "attempt"}),
        "manifest_digest": document.manifest_digest,
        "environment": ENVIRONMENT,
        "created_at": documents.now(),
    }
    return documents.sign_document(documents.Submission.model_validate(fields | changes), played.identity)


def offered_to(played: PlayedSilo, *held: UUID) -> list[FoundOrder]:
    """What a poll of the silo's relay brings."""
    return fetch_deliverable(silo_id=played.silo.id, transport_key=played.transport.public.raw, held=held)


def test_it_is_offered_with_the_job_s_manifest(running: tuple[Federation, Job]) -> None:
    federation, job = running
    order, *_ = reserve(federation, job)
    offered = {one.order_id: one for one in offered_to(federation.silos[0])}
    assert offered[order.id].manifest == job.manifest
    document = documents.read(documents.Order, payload_unverified(offered[order.id].envelope))
    assert (document.kind, document.round, document.parameters) == (OrderKind.RESERVE, 0, {"amount": 3})


def test_an_answer_counts_at_once_and_once(running: tuple[Federation, Job]) -> None:
    federation, job = running
    order, *_ = reserve(federation, job)
    played = federation.silos[0]
    misfit = reserved(played, order, training={"rows": 1, "steps": 1, "update_norm_l2": 1.0})
    with pytest.raises(Invalid, match="Nobody has trained"):
        answers.answer(document=misfit, by=played.silo)
    document = reserved(played, order)
    for _ in range(2):
        taken = answers.answer(document=document, by=played.silo)
    order.refresh_from_db()
    assert (order.state, taken.state) == (OrderState.APPLIED, OrderState.APPLIED)
    assert settled() == [(order.id, "applied")]
    other = reserved(played, order, phases_s={"x": 1.0})
    with pytest.raises(Conflict, match="other bytes"):
        answers.answer(document=other, by=played.silo)


def test_a_refusal_is_kept(running: tuple[Federation, Job]) -> None:
    federation, job = running
    order, *_ = reserve(federation, job)
    played = federation.silos[0]
    document = played.refuse(order, code="budget.exhausted")
    for _ in range(2):
        answers.answer(document=document, by=played.silo)
    order.refresh_from_db()
    assert (order.state, order.code) == (OrderState.REFUSED, "budget.exhausted")
    assert bytes(order.refusal.document) == document
    assert settled() == [(order.id, "refused")]


def test_a_cancelled_job_calls_its_open_ones_back(running: tuple[Federation, Job]) -> None:
    federation, job = running
    first, *others = reserve(federation, job)
    answers.answer(document=reserved(federation.silos[0], first), by=federation.silos[0].silo)
    offered_to(federation.silos[1], others[0].id)
    control.cancel(job=job, by=federation.scientist)
    states = Order.objects.filter(id__in=[one.id for one in others]).values_list("state", "code")
    assert set(states) == {(OrderState.CANCELLED, "job.cancelled")}
    assert set(settled()) == {(first.id, "applied"), *((one.id, "cancelled") for one in others)}
    offered = {one.order_id: one.state for one in offered_to(federation.silos[1], others[0].id)}
    assert offered == {others[0].id: "cancelled"}
    first.refresh_from_db()
    assert first.state == OrderState.APPLIED


def test_what_nobody_answers_in_its_time_expires(running: tuple[Federation, Job]) -> None:
    federation, job = running
    order, *others = reserve(federation, job)
    Order.objects.filter(id=order.id).update(expires_at=timezone.now() - timedelta(seconds=1))
    sweep.nudge(by=TEST)
    order.refresh_from_db()
    assert (order.state, order.code) == (OrderState.EXPIRED, "order.deadline")
    assert settled() == [(order.id, "expired")]
    assert Order.objects.filter(id__in=[one.id for one in others], state__in=OUTSTANDING).count() == 2
    taken = answers.answer(document=reserved(federation.silos[0], order), by=federation.silos[0].silo)
    assert taken.state == OrderState.LATE
    assert settled() == [(order.id, "expired")]


def test_what_came_with_them_is_kept_as_long_as_their_job_goes_on(running: tuple[Federation, Job]) -> None:
    federation, job = running
    order, *_ = reserve(federation, job)
    answers.answer(document=reserved(federation.silos[0], order), by=federation.silos[0].silo)
    digest = digest_bytes(b"what a kind asks for")
    Payload.objects.create(order=order, name="reservation", kind="words.ascii", digest=digest, size_bytes=20)
    assert housekeeping.needed({digest}) == {digest}
    control.cancel(job=job, by=federation.scientist)
    assert housekeeping.needed({digest}) == set()


def test_those_of_a_silo_that_may_not_work_are_called_back(running: tuple[Federation, Job]) -> None:
    federation, job = running
    order, *_ = reserve(federation, job)
    Silo.objects.filter(id=federation.silos[0].silo.id).update(state=Silo.State.REVOKED)
    recall_orders.call_back(by=TEST)
    assert settled() == [(order.id, "cancelled")]


def test_evidence_has_them_and_misses_one_that_is_left_out(running: tuple[Federation, Job]) -> None:
    federation, job = running
    orders = reserve(federation, job)
    for played, order in zip(federation.silos[:2], orders[:2], strict=True):
        answers.answer(document=reserved(played, order), by=played.silo)
    answers.answer(document=federation.silos[2].refuse(orders[2]), by=federation.silos[2].silo)
    for _ in range(2):
        for played in federation.silos:
            asked = Order.objects.get(step__round__job=job, silo=played.silo, state__in=OUTSTANDING)
            answers.answer(document=played.train(asked, 1.0), by=played.silo)
        closing.close_step(step_id=asked.round_step.id, by=TEST)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    passports.issue_missing(issuing.signing_key())
    chaining.chain_new()
    checkpoints.sign_heads(issuing.signing_key())
    evidence = gather(read_bundle(bundle_of(job)))
    report = verify_evidence(evidence)
    assert not report.faults
    assert (report.checked["orders"], report.checked["answers"]) == (9, 9)
    name = str(orders[0].id)
    for lacking, code in (
        (replace(evidence, orders={k: v for k, v in evidence.orders.items() if k != name}), "order.left_out"),
        (replace(evidence, answers={k: v for k, v in evidence.answers.items() if k != name}), "answer.left_out"),
    ):
        assert code in {fault.code for fault in verify_evidence(lacking).faults}
