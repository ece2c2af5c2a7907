"""How long rounds wait for silos beyond their quorum: `wait`, what it leaves out, and what becomes of who was."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.utils import timezone

from federation.protocol import documents
from federation.protocol.envelope import payload_unverified
from silos.models import Silo
from tests.support.federation import TEST, Federation, make_federation
from training import dispatch
from training.engine import answers, closing, start, sweep
from training.engine.sql import waiting
from training.launch.actions import launch
from training.models import Job, Order, RefusalDocument, Round, Step
from training.transitions import OUTSTANDING, JobState, OrderState, RoundState, StepState
from training.waiting import FIRST_GRACE_MIN_S, LEFT_OUT, SILENT, USUAL_TIMES_MAX, CloseReason, Wait

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


@pytest.fixture
def federation(blob_root: Path) -> Federation:
    return make_federation()


def launched(federation: Federation, **changes: object) -> Job:
    request = federation.request(**{"rounds": 8, "round_deadline_s": 3600, **changes})
    job = launch(consortium=federation.consortium, request=request, by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def current(job: Job) -> Round:
    return job.rounds.get(state=RoundState.OPEN)


def answer(federation: Federation, job: Job, silos: Iterable[int]) -> Round:
    """These silos answer in the round that is open."""
    round_ = current(job)
    for place in silos:
        played = federation.silos[place]
        order = Order.objects.get(step__round=round_, silo=played.silo, state__in=OUTSTANDING)
        answers.answer(document=played.train(order, 1.0), by=played.silo)
    return round_


def let_pass(round_: Round, seconds: float) -> None:
    """The same round, so much later."""
    ago = timedelta(seconds=seconds)
    Round.objects.filter(id=round_.id).update(opened_at=round_.opened_at - ago)
    for step in round_.steps.all():
        Step.objects.filter(id=step.id).update(opened_at=step.opened_at - ago, deadline_at=step.deadline_at - ago)
        for order in step.orders.all():
            Order.objects.filter(id=order.id).update(
                issued_at=order.issued_at - ago, answered_at=order.answered_at and order.answered_at - ago
            )
    round_.refresh_from_db()


def hear(federation: Federation, silo: int, ago_s: float) -> None:
    Silo.objects.filter(id=federation.silos[silo].silo.id).update(
        last_seen_at=timezone.now() - timedelta(seconds=ago_s), silent_since=None
    )


def state_of(federation: Federation, round_: Round, silo: int) -> tuple[str, str]:
    order = Order.objects.get(step__round=round_, silo=federation.silos[silo].silo)
    return order.state, order.code


def close(round_: Round) -> Step:
    """The step of this round, closed if it is due."""
    closing.close_step(step_id=round_.steps.get().id, by=TEST)
    round_.refresh_from_db()
    return round_.steps.get()


def without_third(federation: Federation, job: Job) -> Step:
    """A round that the third silo does not answer, closed when its grace was over."""
    round_ = answer(federation, job, (0, 1))
    assert close(round_).state == StepState.COLLECTING
    let_pass(round_, FIRST_GRACE_MIN_S + 1)
    return close(round_)


def test_a_round_closes_at_its_quorum_and_a_grace_and_says_why(federation: Federation) -> None:
    job = launched(federation)
    assert job.wait == Wait.ADAPTIVE
    manifest = documents.read(documents.Manifest, payload_unverified(bytes(job.manifest or b"")))
    assert manifest.wait == "adaptive"
    round_ = answer(federation, job, (0,))
    assert waiting.due_in_s(round_.steps.get().id) is None
    answer(federation, job, (1,))
    due_in_s = waiting.due_in_s(round_.steps.get().id)
    assert due_in_s is not None
    assert 0 < due_in_s <= FIRST_GRACE_MIN_S
    assert close(round_).state == StepState.COLLECTING
    let_pass(round_, FIRST_GRACE_MIN_S + 1)
    assert waiting.due_steps() == [round_.steps.get().id]
    assert close(round_).state == StepState.CLOSED
    assert round_.steps.get().close_reason == CloseReason.GRACE
    assert state_of(federation, round_, 2) == (OrderState.EXPIRED, LEFT_OUT)
    # the next one knows how long silos take, and gives less
    step = answer(federation, job, (0, 1)).steps.get()
    assert step.usual_s is not None
    assert step.grace_min_s < FIRST_GRACE_MIN_S


def test_an_answer_that_meets_the_quorum_puts_a_message_off_to_the_moment(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    """The sweep would find the round too; it is sent what it needs, once and not before."""
    sent: list[tuple[str, list[int], float | None]] = []
    monkeypatch.setattr(
        current_app, "send_task", lambda task, args, countdown, **_: sent.append((task, args, countdown))
    )
    job = launched(federation)
    with django_capture_on_commit_callbacks(execute=True):
        round_ = answer(federation, job, (0,))
    assert sent == []
    with django_capture_on_commit_callbacks(execute=True):
        answer(federation, job, (1,))
    ((task, args, countdown),) = sent
    assert (task, args) == (dispatch.CLOSE_STEP, [round_.steps.get().id])
    assert countdown is not None
    assert 0 < countdown <= FIRST_GRACE_MIN_S + 1
    with django_capture_on_commit_callbacks(execute=True):
        answer(federation, job, (2,))
    assert sent[-1] == (task, args, None)
    with django_capture_on_commit_callbacks(execute=True):
        dispatch.close_step(round_.steps.get().id, in_s=dispatch.PUT_OFF_MAX_S + 1)
    assert len(sent) == 2


def test_the_grace_grows_with_what_the_quorum_took_and_ends_at_the_deadline(federation: Federation) -> None:
    job = launched(federation, round_deadline_s=1000)
    round_ = current(job)
    let_pass(round_, 200)
    answer(federation, job, (0, 1))
    due_in_s = waiting.due_in_s(round_.steps.get().id)
    assert due_in_s is not None
    assert 90 < due_in_s <= 101  # half of 200 s
    Step.objects.filter(round=round_).update(deadline_at=timezone.now() + timedelta(seconds=5))
    due_in_s = waiting.due_in_s(round_.steps.get().id)
    assert due_in_s is not None
    assert due_in_s <= 5


def test_what_silos_took_in_the_rounds_before_is_waited_for(federation: Federation) -> None:
    job = launched(federation)
    round_ = current(job)
    answer(federation, job, (0, 1))
    let_pass(round_, 0)
    Order.objects.filter(step__round=round_).update(issued_at=timezone.now() - timedelta(seconds=300))
    answer(federation, job, (2,))
    assert close(round_).close_reason == CloseReason.SETTLED
    following = answer(federation, job, (0, 1))
    due_in_s = waiting.due_in_s(following.steps.get().id)
    assert due_in_s is not None
    assert 430 < due_in_s <= 451  # one and a half times 300 s


def test_wait_for_the_quorum_alone_closes_at_once(federation: Federation) -> None:
    job = launched(federation, wait="quorum")
    step = close(answer(federation, job, (0, 1)))
    assert (step.round.state, step.close_reason) == (RoundState.CLOSED, CloseReason.QUORUM)


@pytest.mark.parametrize("changes", [{"wait": "all"}, {"wait": "quorum", "quorum": 3}, {"quorum": 3}])
def test_wait_for_all_and_a_quorum_of_the_whole_cohort_wait_to_the_deadline(
    federation: Federation, changes: dict[str, object]
) -> None:
    job = launched(federation, **changes)
    round_ = answer(federation, job, (0, 1))
    hear(federation, 2, settings.SILO_SILENT_AFTER_S + 60)
    let_pass(round_, 3000)
    assert waiting.due_steps() == []
    assert close(round_).state == StepState.COLLECTING
    let_pass(round_, 601)
    assert close(round_).close_reason == CloseReason.DEADLINE
    assert state_of(federation, round_, 2)[1] in ("order.deadline", "round.quorum_not_met")


def test_a_job_from_before_there_was_a_choice_waits_for_all() -> None:
    assert Job._meta.get_field("wait").default == Wait.ALL
    assert documents.Manifest.model_fields["wait"].default == "all"


def test_a_silent_silo_is_not_waited_for_and_comes_back_by_itself(federation: Federation) -> None:
    hear(federation, 2, settings.SILO_SILENT_AFTER_S + 60)
    job = launched(federation)
    for _ in range(4):
        step = close(answer(federation, job, (0, 1)))
        assert step.close_reason == CloseReason.SILENT
        assert state_of(federation, step.round, 2) == (OrderState.EXPIRED, SILENT)
    hear(federation, 2, 0)
    back = answer(federation, job, (0, 1))
    assert close(back).state == StepState.COLLECTING  # it is waited for again, and not longer than others
    assert not Order.objects.filter(step__round=back, awaited=True).exists()
    answer(federation, job, (2,))
    assert close(back).close_reason == CloseReason.SETTLED
    assert state_of(federation, back, 2)[0] == OrderState.APPLIED


def test_a_silo_that_falls_silent_in_a_round_holds_it_up_no_longer(federation: Federation) -> None:
    job = launched(federation)
    round_ = answer(federation, job, (0, 1))
    assert waiting.due_steps() == []
    hear(federation, 2, settings.SILO_SILENT_AFTER_S + 60)
    sweep.nudge(by=TEST)
    assert waiting.due_steps() == [round_.steps.get().id]
    assert close(round_).close_reason == CloseReason.SILENT


def test_silent_silos_are_waited_for_while_the_quorum_is_not_met(federation: Federation) -> None:
    for silo in (1, 2):
        hear(federation, silo, settings.SILO_SILENT_AFTER_S + 60)
    job = launched(federation)
    round_ = answer(federation, job, (0,))
    let_pass(round_, 3000)
    assert close(round_).state == StepState.COLLECTING
    answer(federation, job, (1,))
    assert close(round_).close_reason == CloseReason.SILENT


def test_a_silo_left_out_twice_running_is_waited_for_to_the_deadline_once(federation: Federation) -> None:
    job = launched(federation)
    for _ in range(2):
        assert without_third(federation, job).close_reason == CloseReason.GRACE
    awaiting = answer(federation, job, (0, 1))
    assert Order.objects.get(step__round=awaiting, awaited=True).silo == federation.silos[2].silo
    let_pass(awaiting, 3000)
    assert waiting.due_in_s(awaiting.steps.get().id) is None
    assert close(awaiting).state == StepState.COLLECTING
    answer(federation, job, (2,))
    assert close(awaiting).close_reason == CloseReason.SETTLED
    assert state_of(federation, awaiting, 2)[0] == OrderState.APPLIED


def test_a_silo_that_did_not_use_it_is_not_waited_for_again_until_it_counts(federation: Federation) -> None:
    job = launched(federation)
    for _ in range(2):
        without_third(federation, job)
    awaiting = answer(federation, job, (0, 1))
    let_pass(awaiting, 3601)
    assert close(awaiting).close_reason == CloseReason.DEADLINE
    for _ in range(3):
        assert without_third(federation, job).close_reason == CloseReason.GRACE
    assert Order.objects.filter(step__round__job=job, awaited=True).count() == 1


def test_after_too_few_were_accepted_everybody_who_is_heard_of_is_waited_for(federation: Federation) -> None:
    """A silo whose updates never count could else fill the quorum of each attempt, until the job pauses."""
    job = launched(federation, wait="quorum", limits={"update_norm_l2_max": 100.0})
    for silo, delta in ((0, 1.0), (1, 10.0**6)):
        played = federation.silos[silo]
        order = Order.objects.get(step__round=current(job), silo=played.silo)
        answers.answer(document=played.train(order, delta), by=played.silo)
    first = close(job.rounds.get()).round
    assert (first.state, first.reason_code) == (RoundState.ABANDONED, "round.too_few_accepted")
    again = answer(federation, job, (0, 1))
    assert again.attempt == 2
    assert close(again).state == StepState.COLLECTING
    answer(federation, job, (2,))
    assert close(again).state == StepState.CLOSED
    assert close(answer(federation, job, (0, 1))).close_reason == CloseReason.QUORUM  # the next is as ever


def test_a_late_answer_is_informed_and_changes_nothing(federation: Federation) -> None:
    job = launched(federation)
    round_ = current(job)
    third = federation.silos[2]
    order = Order.objects.get(step__round=round_, silo=third.silo)
    late = third.train(order, 5.0)
    without_third(federation, job)
    versions = job.model.versions.count() if job.model else 0
    assert answers.answer(document=late, by=third.silo).state == OrderState.LATE
    assert answers.answer(document=late, by=third.silo).state == OrderState.LATE
    assert state_of(federation, round_, 2) == (OrderState.LATE, LEFT_OUT)
    assert job.model is not None
    assert job.model.versions.count() == versions
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_a_late_refusal_is_kept_as_it_came_and_changes_nothing_else(federation: Federation) -> None:
    job = launched(federation)
    round_ = current(job)
    third = federation.silos[2]
    order = Order.objects.get(step__round=round_, silo=third.silo)
    refusal = third.refuse(order)
    without_third(federation, job)
    for document in (refusal, refusal, third.refuse(order, "trainer.failed")):  # the first one stays
        assert answers.answer(document=document, by=third.silo).state == OrderState.LATE
        assert bytes(RefusalDocument.objects.get(order=order).document) == refusal
    assert state_of(federation, round_, 2) == (OrderState.LATE, LEFT_OUT)
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


@pytest.mark.parametrize("is_late", [True, False])
def test_a_silo_that_answers_later_each_time_moves_the_grace_only_so_far(federation: Federation, is_late: bool) -> None:
    """The others take a second. Its answers come just after the grace, or just within it."""
    job = launched(federation, rounds=20)
    for _ in range(8):
        round_ = answer(federation, job, (0, 1))
        usual_s = round_.steps.get().usual_s
        assert usual_s is None or usual_s <= USUAL_TIMES_MAX * 1.001
        due_in_s = waiting.due_in_s(round_.steps.get().id)
        let_pass(round_, 3601 if due_in_s is None else due_in_s + 1 if is_late else due_in_s * 0.95)
        if is_late:
            close(round_)
        order = Order.objects.get(step__round=round_, silo=federation.silos[2].silo)
        answers.answer(document=federation.silos[2].train(order, 1.0), by=federation.silos[2].silo)
        close(round_)
        assert round_.state == RoundState.CLOSED
        for others in Order.objects.filter(step__round=round_).exclude(id=order.id):
            Order.objects.filter(id=others.id).update(answered_at=others.issued_at + timedelta(seconds=1))
