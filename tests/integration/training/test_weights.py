"""What a silo claims of its rows: held to what it registered, and to its organisation's share, at a real closing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artefacts import store
from audit.models import Event
from federation.learning.weights import read_weights
from federation.protocol import documents
from federation.protocol.envelope import payload_unverified
from federation.protocol.tensors import TensorSpec
from federation.validation.bounds import ROWS_MAX
from registry.models import ModelVersion
from silos import datasets
from tests.support.federation import TEST, Federation, make_federation, registration
from training.engine import answers, closing, start
from training.launch.actions import launch
from training.models import Job, Order
from training.reading.absences import absences_in
from training.reading.rows import MetricsRow
from training.reading.selectors import evaluated_rounds_of
from training.transitions import JobState, OrderState, RoundState

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]
LIE = ROWS_MAX


@pytest.fixture
def federation(blob_root: Path) -> Federation:
    return make_federation()


def launched(federation: Federation, **changes: object) -> Job:
    job = launch(consortium=federation.consortium, request=federation.request(**changes), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def answered(federation: Federation, job: Job, reported: dict[int, dict[str, Any]]) -> list[Order]:
    """All orders that are open, answered by what silos report, by their places; the round is closed."""
    orders = {
        federation.silos.index(federation.played(order.silo_id)): order
        for order in Order.objects.filter(step__round__job=job, state=OrderState.ISSUED)
    }
    for place, order in orders.items():
        played = federation.silos[place]
        answers.answer(document=played.train(order, **reported.get(place, {"delta": 1.0})), by=played.silo)
    closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    found = [orders[place] for place in sorted(orders)]
    for order in found:
        order.refresh_from_db()
    return found


def step_of(job: Job) -> float:
    """How far the first round has moved the model."""
    assert job.model is not None
    first, second = (read_weights(store.path_of(one.digest), layout_of(one)) for one in versions(job)[:2])
    (name, *_rest) = first
    return float(np.mean(second[name] - first[name]))


def versions(job: Job) -> list[ModelVersion]:
    assert job.model is not None
    return list(job.model.versions.order_by("round_number"))


def layout_of(version: ModelVersion) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(name=s["name"], shape=tuple(s["shape"]), dtype=s["dtype"]) for s in version.model.layout)


def evaluation(rows: int, accuracy: float, loss: float = 0.5) -> dict[str, Any]:
    return {"rows": rows, "figures": {"accuracy": accuracy, "loss": loss}}


def test_row_limits_are_in_the_manifest_and_at_the_cohort_members(federation: Federation) -> None:
    job = launched(federation)
    manifest = documents.read(documents.Manifest, payload_unverified(bytes(job.manifest or b"")))
    assert manifest.weighting == documents.Weighting(organisation_share_max=0.5, train_fraction=0.66)
    assert [(one.rows_coarse, one.weight_max) for one in manifest.cohort] == [(300, 304)] * 3
    assert job.organisation_share_max == 0.5
    assert set(job.cohort_members.values_list("rows_coarse", "weight_max")) == {(300, 304)}


def test_an_update_that_claims_more_rows_than_were_registered_does_not_count(federation: Federation) -> None:
    job = launched(federation)
    liar = {"delta": 9.0, "rows": LIE, "evaluation": evaluation(10, 1.0)}
    honest = {"delta": 1.0, "rows": 200, "evaluation": evaluation(60, 0.6)}
    orders = answered(federation, job, {0: liar, 1: honest, 2: honest})
    assert [order.state for order in orders] == [OrderState.REJECTED, OrderState.APPLIED, OrderState.APPLIED]
    assert orders[0].code == "update.weight"
    assert orders[0].params == {"rows": LIE, "allowed": "304"}
    assert str(LIE) in orders[0].message_text
    (absence,) = absences_in(job)
    assert (absence.params, absence.reason) == (orders[0].params, orders[0].message_text)
    assert step_of(job) == pytest.approx(1.0, rel=1e-6)
    assert versions(job)[0].metrics["accuracy"] == pytest.approx(0.6)
    event = Event.objects.get(verb="update.rejected")
    assert (event.detail["code"], event.detail["order"]) == ("update.weight", str(orders[0].id))


def test_neither_do_more_test_rows_than_were_registered_nor_their_figures(federation: Federation) -> None:
    job = launched(federation)
    orders = answered(
        federation,
        job,
        {0: {"delta": 9.0, "evaluation": evaluation(LIE, 1.0)}, 1: {"delta": 1.0}, 2: {"delta": 1.0}},
    )
    assert [order.code for order in orders] == ["update.weight", "", ""]
    assert step_of(job) == pytest.approx(1.0, rel=1e-6)
    assert versions(job)[0].metrics["accuracy"] == 0.5
    (round_,) = evaluated_rounds_of(job)
    assert MetricsRow(round_).combined == versions(job)[0].metrics, "pages say what was kept"
    answered(federation, job, {})
    orders = answered(federation, job, {0: {"delta": 0.0, "evaluation": evaluation(LIE, 1.0)}})
    assert [(order.kind, order.code) for order in orders] == [("evaluate", "update.weight")] + [("evaluate", "")] * 2
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    assert versions(job)[2].metrics["accuracy"] == 0.5


@pytest.mark.parametrize("rows", [LIE, 0])
def test_a_round_of_liars_alone_is_abandoned(federation: Federation, rows: int) -> None:
    job = launched(federation)
    orders = answered(federation, job, {place: {"delta": 1.0, "rows": rows} for place in range(3)})
    assert {(order.state, order.code) for order in orders} == {(OrderState.REJECTED, "update.weight")}
    round_ = orders[0].round
    round_.refresh_from_db()
    assert (round_.state, round_.reason_code) == (RoundState.ABANDONED, "round.too_few_accepted")
    assert len(versions(job)) == 1


def test_who_registers_more_than_all_others_weighs_as_much_as_they(blob_root: Path) -> None:
    """What it registered is its own word too: the share holds whatever it says, in the sum and in the figures."""
    federation = make_federation(agreed=False)
    first = federation.silos[0]
    first.dataset = datasets.register(registration=registration(first, 2_000_000_000, name="large"), by=first.silo)
    federation.agree()
    job = launched(federation)
    weights = list(job.cohort_members.order_by("position").values_list("weight_max", flat=True))
    assert weights == [396, 304, 304]  # 0.66 of the 600 rows of the two others
    liar = {"delta": 6.0, "rows": 2_000_000_000, "evaluation": evaluation(1_000_000_000, 1.0, -1e6)}
    honest = {"delta": 0.0, "rows": 198, "evaluation": evaluation(100, 0.5)}
    orders = answered(federation, job, {0: liar, 1: honest, 2: honest})
    assert [order.code for order in orders] == ["", "", ""]
    assert step_of(job) == pytest.approx(3.0, rel=1e-6), "one half"
    metrics = versions(job)[0].metrics
    assert metrics["accuracy"] == pytest.approx(0.75)
    assert metrics["loss"] == pytest.approx(0.25), "nobody has a loss below 0"
    assert "more than its share" in metrics["combination"]


def test_a_lower_share_that_was_agreed_is_held_to(blob_root: Path) -> None:
    federation = make_federation(agreed=False)
    federation.agree(cohort=documents.Cohort(minimum_participants=1, organisation_share_max=0.34))
    first = federation.silos[0]
    datasets.register(registration=registration(first, 1500), by=first.silo)
    job = launched(federation)
    assert job.organisation_share_max == 0.34
    assert list(job.cohort_members.order_by("position").values_list("weight_max", flat=True)) == [204, 207, 207]
