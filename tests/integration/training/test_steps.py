"""Rounds of several steps, and the lease of who closes one. The second protocol is the test's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from federation.aggregation import aggregate as aggregating
from silos.models import Silo
from tests.support.federation import TEST, Federation, make_federation
from tests.support.patience import FAILS_AFTER_S
from tests.support.plugins.added import OF_THE_PLATFORM, add_parts
from training import protocols
from training.engine import answers, closing, start, steps, sweep
from training.engine.sql import steps as statements
from training.launch.actions import launch
from training.models import Job, Order, Round, Step
from training.protocols.base import StepPlan
from training.protocols.clear import read_all
from training.transitions import OUTSTANDING, JobState, RoundState, StepState
from training.waiting import BelowQuorum

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


class Greeted:
    """A protocol of the test's own: silos greet before they work."""

    mode = "clear"
    below_quorum = BelowQuorum.ABANDON

    def steps(self, work: str) -> tuple[StepPlan, ...]:
        return (
            StepPlan("sign_off", quorum=2, below_quorum=self.below_quorum),
            StepPlan(work, opens_with=read_all),
        )


@pytest.fixture
def protocol(monkeypatch: pytest.MonkeyPatch) -> Greeted:
    greeted = Greeted()
    monkeypatch.setattr(protocols, "protocol_of", lambda job: greeted)
    add_parts(monkeypatch, OF_THE_PLATFORM)
    return greeted


@pytest.fixture
def federation(blob_root: Path) -> Federation:
    return make_federation()


def launched(federation: Federation, **changes: object) -> Job:
    job = launch(consortium=federation.consortium, request=federation.request(**changes), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def answer(federation: Federation, job: Job, silos: Sequence[int] = (0, 1, 2)) -> Step:
    """These silos answer what they were asked; the step that it was."""
    asked = []
    for place in silos:
        played = federation.silos[place]
        order = Order.objects.get(step__round__job=job, silo=played.silo, state__in=OUTSTANDING)
        answers.answer(document=played.train(order, 1.0), by=played.silo)
        asked.append(order.step)
    step = asked[0]
    assert step is not None
    return step


def test_a_round_goes_from_step_to_step_and_the_next_round_begins_again(
    federation: Federation, protocol: Greeted
) -> None:
    job = launched(federation, rounds=1)
    seen = []
    for _ in range(4):
        step = answer(federation, job)
        seen.append((step.round.number, step.position, step.kind))
        closing.close_step(step_id=step.id, by=TEST)
    assert seen == [(1, 1, "sign_off"), (1, 2, "train"), (2, 1, "sign_off"), (2, 2, "evaluate")]
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert job.model is not None
    assert job.model.versions.count() == 2
    assert set(Step.objects.values_list("state", flat=True)) == {StepState.CLOSED}
    assert set(Round.objects.values_list("state", flat=True)) == {RoundState.CLOSED}


def test_a_later_step_asks_those_who_counted_in_the_one_before(federation: Federation, protocol: Greeted) -> None:
    job = launched(federation, rounds=1)
    step = answer(federation, job, (0, 2))
    Step.objects.filter(id=step.id).update(deadline_at=timezone.now())
    closing.close_step(step_id=step.id, by=TEST)
    asked = Order.objects.filter(step__round=step.round, step__position=2).values_list("silo_id", flat=True)
    assert set(asked) == {federation.silos[0].silo.id, federation.silos[2].silo.id}


def test_a_step_is_closed_once_and_its_round_stays_open_until_the_last(
    federation: Federation, protocol: Greeted
) -> None:
    job = launched(federation, rounds=1)
    step = answer(federation, job)
    for _ in range(3):
        closing.close_step(step_id=step.id, by=TEST)
    round_ = Round.objects.get(job=job)
    assert round_.state == RoundState.OPEN
    assert list(round_.steps.values_list("position", "state")) == [(1, "closed"), (2, "collecting")]
    assert Order.objects.filter(step__round=round_).count() == 6


def test_what_is_abandoned_in_its_second_step_is_abandoned_whole(federation: Federation, protocol: Greeted) -> None:
    job = launched(federation, rounds=1)
    closing.close_step(step_id=answer(federation, job).id, by=TEST)
    second = answer(federation, job, (0,))
    Step.objects.filter(id=second.id).update(deadline_at=timezone.now())
    closing.close_step(step_id=second.id, by=TEST)
    first_attempt, again = Round.objects.filter(job=job).order_by("attempt")
    assert (first_attempt.state, first_attempt.reason_code) == (RoundState.ABANDONED, "round.quorum_not_met")
    assert list(first_attempt.steps.values_list("state", flat=True)) == ["closed", "abandoned"]
    assert list(again.steps.values_list("kind", "state")) == [("sign_off", "collecting")]


def test_below_the_quorum_of_a_step_that_is_not_abandoned_the_job_pauses_and_goes_on_by_itself(
    federation: Federation, protocol: Greeted
) -> None:
    protocol.below_quorum = BelowQuorum.PAUSE
    job = launched(federation, rounds=1)
    step = answer(federation, job, (0,))
    sweep.nudge(by=TEST)
    job.refresh_from_db()
    assert job.state == JobState.RUNNING, "its time is not over"
    Step.objects.filter(id=step.id).update(deadline_at=timezone.now())
    closing.close_step(step_id=step.id, by=TEST)
    sweep.nudge(by=TEST)
    job.refresh_from_db()
    step.refresh_from_db()
    assert (job.state, job.reason_code, step.state) == (JobState.PAUSED, steps.BELOW_QUORUM, StepState.COLLECTING)
    assert Order.objects.filter(step=step, state__in=OUTSTANDING).count() == 2, "an answer is still taken"
    answer(federation, job, (1,))
    closing.close_step(step_id=step.id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.reason_code) == (JobState.RUNNING, "")
    assert list(step.round.steps.values_list("position", "state")) == [(1, "closed"), (2, "collecting")]


def test_a_step_that_nobody_can_answer_any_more_is_abandoned_though_it_would_pause(
    federation: Federation, protocol: Greeted
) -> None:
    protocol.below_quorum = BelowQuorum.PAUSE
    job = launched(federation, rounds=1, retries_max=0)
    step = Step.objects.get(round__job=job)
    for played in federation.silos:
        order = Order.objects.get(step=step, silo=played.silo)
        answers.answer(document=played.refuse(order), by=played.silo)
    sweep.nudge(by=TEST)
    closing.close_step(step_id=step.id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.reason_code) == (JobState.PAUSED, "round.quorum_not_met")
    assert Round.objects.get(job=job).state == RoundState.ABANDONED


def test_a_later_step_asks_nobody_who_may_not_work_any_more(federation: Federation, protocol: Greeted) -> None:
    job = launched(federation, rounds=1)
    step = answer(federation, job)
    Silo.objects.filter(id=federation.silos[2].silo.id).update(state=Silo.State.REVOKED)
    closing.close_step(step_id=step.id, by=TEST)
    asked = Order.objects.filter(step__round=step.round, step__position=2).values_list("silo_id", flat=True)
    assert set(asked) == {federation.silos[0].silo.id, federation.silos[1].silo.id}


def test_pages_and_rest_show_the_steps_of_a_round(federation: Federation, protocol: Greeted, client: Client) -> None:
    job = launched(federation, rounds=1)
    closing.close_step(step_id=answer(federation, job).id, by=TEST)
    client.force_login(federation.scientist)
    (body,) = client.get(f"/api/v1/jobs/{job.id}/rounds/").json()["results"]
    assert body["state"] == "open"
    assert [(one["position"], one["kind"], one["state"], one["answered"]) for one in body["steps"]] == [
        (1, "sign_off", "closed", 3),
        (2, "train", "collecting", 0),
    ]
    assert (body["kind"], len(body["orders"])) == ("train", 6)
    page = client.get(f"/jobs/{job.id}/rounds/1/1/").content.decode()
    assert "Step 1:" in page
    assert "Step 2:" in page
    for address in ("", "rounds/", "silos/", "figures.csv", "figures.json"):
        answered = client.get(f"/jobs/{job.id}/{address}")
        assert answered.status_code in {200, 404}, address
    assert client.get(f"/jobs/{job.id}/").status_code == 200


@pytest.fixture
def short_lease(settings: Any) -> float:
    settings.STEP_LEASE_S = 0.5
    return 0.5


def test_a_lease_that_is_renewed_is_not_taken_over_and_one_that_is_not_is(federation: Federation) -> None:
    job = launched(federation)
    step = answer(federation, job)
    first = steps.claim(step_id=step.id)
    assert first is not None

    def lapse() -> None:
        Step.objects.filter(id=step.id).update(lease_until=timezone.now() - timedelta(seconds=1))

    lapse()
    assert statements.renew(step_id=step.id, lease=first.lease, lease_s=60), "nobody else has taken it yet"
    assert steps.claim(step_id=step.id) is None
    lapse()
    second = steps.claim(step_id=step.id)
    assert second is not None
    assert (second.step.claims, second.step.claims_renewed) == (1, 1), "who was at work is not held against the step"
    assert not statements.renew(step_id=step.id, lease=first.lease, lease_s=60)
    lapse()
    third = steps.claim(step_id=step.id)
    assert third is not None
    assert (third.step.claims, third.step.claims_renewed) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_a_sum_that_takes_longer_than_the_lease_is_worked_out_once(
    federation: Federation, short_lease: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker adds up, held up in each block until its lease would have lapsed; another tries all the while."""
    job = launched(federation)
    step = answer(federation, job)
    aggregate: Any = aggregating.aggregate
    held = threading.Event()
    leases: list[UUID] = []

    def slowly(*arguments: Any, on_block: Any) -> Any:
        for _ in range(3):  # three leases long
            over = timezone.now() + timedelta(seconds=short_lease)
            while timezone.now() < over:
                on_block()
                threading.Event().wait(short_lease / 20)
                held.set()
        return aggregate(*arguments, on_block=on_block)

    monkeypatch.setattr("training.engine.next_version.aggregate", slowly)

    def work() -> None:
        try:
            closing.close_step(step_id=step.id, by=TEST)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    assert held.wait(FAILS_AFTER_S)
    tried = 0
    while worker.is_alive():
        tried += 1
        if (claim := steps.claim(step_id=step.id)) is not None:
            leases.append(claim.lease)
        time.sleep(0.02)
    worker.join()
    step.refresh_from_db()
    assert tried
    assert leases == [], "somebody else has taken the step while its worker was at work"
    assert (step.state, step.claims, step.claims_renewed) == (StepState.CLOSED, 1, 0)
    assert job.model is not None
    assert job.model.versions.count() == 2


def test_who_has_lost_the_lease_stops_and_changes_nothing(
    federation: Federation, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.STEP_LEASE_S = 0.0  # to be renewed before every block
    job = launched(federation)
    step = answer(federation, job)
    aggregate: Any = aggregating.aggregate

    def taken_over(*arguments: Any, **named: Any) -> Any:
        settings.STEP_LEASE_S = 60.0
        assert steps.claim(step_id=step.id) is not None
        return aggregate(*arguments, **named)

    monkeypatch.setattr("training.engine.next_version.aggregate", taken_over)
    closing.close_step(step_id=step.id, by=TEST)
    step.refresh_from_db()
    # it had renewed its lease when it looked at the payloads: that it was taken over is not held against the step
    assert (step.state, step.claims, step.claims_renewed) == (StepState.AGGREGATING, 1, 1)
    assert job.model is not None
    assert job.model.versions.count() == 1
    assert not list(Path(settings.BLOB_ROOT).rglob("model-*.safetensors"))


def test_the_check_refuses_a_lease_that_is_shorter_than_its_renewal_needs(settings: Any) -> None:
    from django.core.checks import run_checks

    def ids() -> set[str | None]:
        return {found.id for found in run_checks()}

    assert "training.E001" not in ids()
    settings.STEP_LEASE_S = 1.0
    assert "training.E001" in ids()
