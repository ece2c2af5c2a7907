"""Figures of a job whose rounds have three steps: a silo counts once a round, and bytes are those that went over."""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models import F
from django.test import Client

from dashboards.job import csv_export, figures, series
from federation.protocol.documents import OrderKind
from tests.support.every import every
from tests.support.federation import Federation
from tests.support.greeted import GOOD, all_greet, carry_out, launched_greeted
from training.launch.pace import usual_s
from training.models import Job, Order
from training.reading.round_summaries import round_ids, round_summaries
from training.reading.rows import RoundRow
from training.reading.selectors import rounds_of

AROUND = ("greet", "sign_off")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("blob_root")]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch, blob_root: Path) -> tuple[Federation, Job]:
    return launched_greeted(monkeypatch)


def delivered(job: Job) -> None:
    """As if each order had been fetched ten seconds before its answer came, what is around the work one second."""
    answered = Order.objects.filter(step__round__job=job, answered_at__isnull=False)
    answered.update(issued_at=F("answered_at") - timedelta(seconds=10))
    answered.filter(kind__in=AROUND).update(issued_at=F("answered_at") - timedelta(seconds=1))
    answered.update(delivered_at=F("issued_at"))


def test_the_list_of_rounds_counts_each_silo_once(played: tuple[Federation, Job], client: Client) -> None:
    federation, job = played
    carry_out(federation, job)
    summaries = round_summaries(job, round_ids(job))
    assert [(one.tally.included, one.tally.expected) for one in summaries] == [(3, 3), (3, 3)]
    assert [one.tally for one in summaries] == [RoundRow(one).tally for one in rounds_of(job).order_by("-opened_at")]
    client.force_login(federation.scientist)
    body = client.get(f"/api/v1/jobs/{job.id}/rounds/").json()["results"]
    assert {(one["answered"], one["expected"]) for one in body} == {(3, 3)}


def test_a_round_whose_second_step_has_begun_counts_that_step(played: tuple[Federation, Job]) -> None:
    federation, job = played
    all_greet(federation, job)
    (summary,) = round_summaries(job, round_ids(job))
    assert (summary.kind, summary.tally.included, summary.tally.pending) == ("train", 0, 3)


def test_bytes_are_those_of_what_each_order_brings(played: tuple[Federation, Job]) -> None:
    federation, job = played
    carry_out(federation, job)
    delivered(job)
    assert job.model is not None
    size = job.model.versions.get(round_number=0).size_bytes
    words = sum(map(len, GOOD.values()))
    greetings = Order.objects.filter(step__round__job=job, kind="greet")
    assert greetings.filter(base_version=None, inputs_size_bytes=0).count() == greetings.count() == 6
    others = Order.objects.filter(step__round__job=job).exclude(kind="greet")
    assert set(others.values_list("inputs_size_bytes", flat=True)) == {size}
    for row in every(map(RoundRow, rounds_of(job))):
        greeted, worked, opened = row.steps
        assert (greeted.bytes_down, worked.bytes_down, opened.bytes_down) == (0, 3 * size, 3 * size)
        assert row.bytes_down == 6 * size
        assert greeted.bytes_up == 3 * words
    assert [one.bytes_down for one in series.traffic_of(job, [1, 2])] == [6 * size, 6 * size]
    text = csv_export.heading(job.model.target_kind) + csv_export.csv_of(
        job, job.model.target_kind, csv_export.Span(1, 2)
    )
    lines = list(csv.DictReader(text.splitlines()))
    assert sorted({(line["kind"], line["step"], int(line["bytes_down"])) for line in lines}) == [
        ("evaluate", "2", size),
        ("greet", "1", 0),
        ("sign_off", "3", size),
        ("train", "2", size),
    ]


def test_orders_from_before_their_inputs_were_noted_brought_the_model(played: tuple[Federation, Job]) -> None:
    federation, job = played
    carry_out(federation, job)
    delivered(job)
    assert job.model is not None
    size = job.model.versions.get(round_number=0).size_bytes
    Order.objects.filter(step__round__job=job).exclude(kind="greet").update(inputs_size_bytes=None)
    assert [RoundRow(one).bytes_down for one in rounds_of(job)] == [6 * size, 6 * size]
    assert [one.bytes_down for one in series.traffic_of(job, [1, 2])] == [6 * size, 6 * size]


def test_a_round_lasts_as_long_as_its_steps_together(played: tuple[Federation, Job]) -> None:
    federation, job = played
    carry_out(federation, job)
    delivered(job)
    chart = figures.phases(series.work_of(job, [1, 2]), series.members_of(job))
    assert {sum(float(value or 0.0) for value in row[1:]) for row in chart.rows} == {12.0}


def test_quick_exchanges_do_not_shorten_how_long_a_training_takes(played: tuple[Federation, Job]) -> None:
    federation, job = played
    carry_out(federation, job)
    delivered(job)
    silos = [one.silo.id for one in federation.silos]
    assert usual_s(silos, OrderKind.TRAIN) == 10.0
    assert usual_s(silos, "greet") == 1.0
    assert usual_s(silos, OrderKind.STATISTICS) is None
