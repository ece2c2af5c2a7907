"""A worker that looks at many answers renews its lease between two of them, whatever the kind of order.

Time passes in both clocks that count, the process's and the database's, by as much as the test says.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.db.models import F

from tests.integration.training.test_statistics import FILES, declared
from tests.support.cohort import Cohort
from tests.support.federation import TEST, Federation, make_federation
from tests.support.statistics_work import begin, bring_columns
from training.engine import answers, closing, payload_checks, start, steps
from training.engine.kinds import statistics
from training.launch.actions import launch
from training.models import Job, Order, Step
from training.transitions import StepState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]
LEASE_S = 60.0
PER_ANSWER_S = 45.0
"""Two of them are longer than a lease, and one is not."""


class Passing:
    """Time that passes when it is instructed to; who tries the step then."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.now_s = 0.0
        self.leases: list[UUID] = []

    def pass_by(self) -> None:
        """So long as one answer takes; then another worker tries to take the step."""
        self.now_s += PER_ANSWER_S
        aggregating = Step.objects.filter(id=self.step.id, state=StepState.AGGREGATING)
        aggregating.update(lease_until=F("lease_until") - timedelta(seconds=PER_ANSWER_S))
        claim = steps.claim(step_id=self.step.id)
        if claim is not None:
            self.leases.append(claim.lease)


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Callable[[Step], Passing]:
    def begun(step: Step) -> Passing:
        settings.STEP_LEASE_S = LEASE_S
        found = Passing(step)
        monkeypatch.setattr(steps, "time", SimpleNamespace(monotonic=lambda: found.now_s))
        return found

    return begun


def slowed(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, passing: Passing) -> None:
    """The function takes its time."""
    real = getattr(module, name)

    def slow(*arguments: Any, **named: Any) -> Any:
        passing.pass_by()
        return real(*arguments, **named)

    monkeypatch.setattr(module, name, slow)


def test_between_two_payloads_whose_heads_are_looked_at(
    blob_root: Path, passing: Callable[[Step], Passing], monkeypatch: pytest.MonkeyPatch
) -> None:
    federation: Federation = make_federation()
    job: Job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    for order in Order.objects.filter(step__round__job=job):
        played = federation.played(order.silo_id)
        answers.answer(document=played.train(order, 1.0), by=played.silo)
    step = order.round_step
    time = passing(step)
    slowed(monkeypatch, payload_checks, "check_payload", time)
    closing.close_step(step_id=step.id, by=TEST)
    step.refresh_from_db()
    assert time.now_s == 3 * PER_ANSWER_S
    assert (time.leases, step.state, step.claims) == ([], StepState.CLOSED, 1)


def test_between_two_reports_of_statistics(
    cohort: Cohort, heart_disease: Path, passing: Callable[[Step], Passing], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = zip(cohort.federation.silos, FILES, strict=True)
    silos = [bring_columns(played, declared(), heart_disease / file) for played, file in files]
    cohort.federation.agree()
    _job, orders = begin(cohort.federation, "age")
    for order in orders:
        silo = next(one for one in silos if one.played.silo.id == order.silo_id)
        answers.answer(document=silo.carry_out(order), by=silo.played.silo)
    step = orders[0].round_step
    time = passing(step)
    slowed(monkeypatch, statistics, "read_report", time)
    closing.close_step(step_id=step.id, by=TEST)
    step.refresh_from_db()
    assert time.now_s == 3 * PER_ANSWER_S
    assert (time.leases, step.state, step.claims) == ([], StepState.CLOSED, 1)
