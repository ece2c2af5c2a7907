"""What the figures of a job are drawn from, with real rows; and what an open page fetches."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db.models import F
from django.http import StreamingHttpResponse
from django.test import Client
from django.utils import timezone

from dashboards.job import csv_export, downloads, figures, series, version_series
from dashboards.job.participation import participation
from federation.targets.classification import ACCURACY, LOSS
from silos.models import Silo
from tests.support.cohort import Cohort, browser, run_job
from tests.support.every import every
from training.models import Evaluation, Job, Order, Submission
from training.transitions import OrderState

pytestmark = pytest.mark.django_db


def test_convergence_has_every_silo_and_all_together(cohort: Cohort) -> None:
    job = run_job(cohort)
    versions, members = version_series.versions_of(job), series.members_of(job)
    assert [row.round_number for row in versions] == list(range(len(versions)))
    chart = figures.convergence(versions, members, ACCURACY, LOSS)
    assert chart.headings[1] == "All silos"
    assert len(chart.headings) == 2 + len(cohort.federation.silos)
    assert all(row[1] == 0.5 for row in chart.rows)
    assert sum(row.is_best for row in versions) == 1
    marks = chart.figure["layout"]["annotations"]
    assert [mark["text"] for mark in marks] == ["best by Loss"]
    both = figures.convergences(job, versions, members)
    assert [(one.key, one.title) for one in both] == [("accuracy", "Accuracy"), ("loss", "Loss")]


def test_what_could_point_at_somebody_is_not_drawn(cohort: Cohort) -> None:
    job = run_job(cohort)
    job.request["limits"]["minimum_cell"] = 10**6
    versions = version_series.versions_of(job)
    assert versions
    assert {score.figures.get("accuracy") for row in versions for score in row.by_silo.values()} == {None}


def test_very_long_jobs_are_thinned_and_keep_the_best(cohort: Cohort) -> None:
    job = run_job(cohort, rounds=6)
    whole = version_series.versions_of(job)
    thin = version_series.versions_of(job, limit=2)
    assert len(thin) < len(whole)
    assert any(row.is_best for row in thin)


def test_an_open_page_is_sent_its_moving_part_only_when_something_moved(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    client = browser(cohort.scientist)

    def status(tag: str) -> int:
        return client.get(f"/jobs/{job.id}/live/", headers={"If-None-Match": tag}).status_code

    tag = client.get(f"/jobs/{job.id}/live/")["ETag"]
    assert status(tag) == 304
    moved: tuple[Callable[[], object], ...] = (
        lambda: Order.objects.filter(step__round__job=job, state="issued").update(state="accepted"),
        lambda: Silo.objects.filter(id=cohort.silo.id).update(last_seen_at=timezone.now() + timedelta(minutes=2)),
        lambda: client.post(f"/jobs/{job.id}/pause/"),
    )
    for move in every(moved):
        move()
        assert status(tag) == 200
        tag = client.get(f"/jobs/{job.id}/live/")["ETag"]
    assert browser(cohort.outsider).get(f"/jobs/{job.id}/live/", headers={"If-None-Match": tag}).status_code == 404


def hand_over(job: Job) -> None:
    """Every order was delivered a little before its answer, as a connector would have it."""
    orders = Order.objects.filter(step__round__job=job)
    orders.update(delivered_at=F("answered_at") - timedelta(seconds=1.5))


def test_work_shows_norm_direction_bytes_and_phases(cohort: Cohort) -> None:
    job = run_job(cohort)
    hand_over(job)
    times = series.round_times_of(job)
    work = series.work_of(job, {one.number for one in times})
    trained = [row for row in work if row.kind == "train"]
    assert len(trained) == 2 * len(cohort.federation.silos)
    assert all(row.update_norm_l2 is not None and row.update_norm_l2 > 0 for row in trained)
    assert {row.took_s for row in work} == {1.5}
    members = series.members_of(job)
    assert figures.drift(work, members, "update_cosine").rows
    moved = series.traffic_of(job, {one.number for one in times})
    answered = Submission.objects.filter(order__step__round__job=job)
    assert sum(one.bytes_up for one in moved) == sum(answered.values_list("payload_size_bytes", flat=True))
    given = Order.objects.filter(step__round__job=job, delivered_at__isnull=False)
    sizes = given.values_list("step__round__base_version__size_bytes", flat=True)
    assert sum(one.bytes_down for one in moved) == sum(sizes)
    assert len(figures.traffic(moved).rows) == len({one.number for one in times})
    assert all((one.total_s or 0) >= 0 for one in times)
    assert len(figures.round_timeline(times).rows) == len(times)


def test_participation_says_who_was_missing(cohort: Cohort) -> None:
    job = run_job(cohort)
    order = Order.objects.filter(step__round__job=job, step__round__number=1).first()
    assert order is not None
    Order.objects.filter(id=order.id).update(state=OrderState.EXPIRED, code="order.deadline")
    times = series.round_times_of(job)
    rows = participation(series.order_state_rows(job, {one.number for one in times}), times, series.members_of(job))
    mine = next(row for row in rows if row.member.silo_id == order.silo_id)
    assert mine.cells[0] is not None
    assert (mine.cells[0].word, mine.cells[0].code) == ("no answer in time", "order.deadline")
    assert mine.counted == mine.asked - 1
    assert all(row.counted == row.asked for row in rows if row is not mine)


def test_an_open_page_is_sent_charts_only_when_something_happened(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    client = browser(cohort.scientist)
    first = client.get(f"/jobs/{job.id}/charts/")
    assert set(first.json()) == {"accuracy", "loss"}
    assert client.get(f"/jobs/{job.id}/charts/", headers={"If-None-Match": first["ETag"]}).status_code == 304
    client.post(f"/jobs/{job.id}/pause/")
    again = client.get(f"/jobs/{job.id}/charts/", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert again["ETag"] != first["ETag"]
    assert browser(cohort.outsider).get(f"/jobs/{job.id}/charts/").status_code == 404


def taken(client: Client, job: Job, wanted: str) -> str:
    """A download as a whole."""
    answer = client.get(f"/jobs/{job.id}/figures.{wanted}")
    assert isinstance(answer, StreamingHttpResponse)
    return answer.getvalue().decode()


def test_a_download_is_bounded_and_can_be_taken_in_parts(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    job = run_job(cohort)
    client, silos = browser(cohort.scientist), len(cohort.federation.silos)
    whole = taken(client, job, "csv").splitlines()
    part = taken(client, job, "csv?first=2&last=2").splitlines()
    assert len(part) == 1 + silos
    assert set(part) <= set(whole)
    assert len(json.loads(taken(client, job, "json?last=1"))["work"]) == silos
    monkeypatch.setattr(csv_export, "PART_LINES", silos)
    assert taken(client, job, "csv").splitlines() == whole
    assert len(json.loads(taken(client, job, "json"))["work"]) == len(whole) - 1
    assert taken(client, job, "csv?first=90").splitlines() == whole[:1]
    assert json.loads(taken(client, job, "json?first=90"))["work"] == []
    monkeypatch.setattr(downloads, "LINES_MAX", silos)
    refused = client.get(f"/jobs/{job.id}/figures.json")
    assert refused.status_code == 422
    assert "?first=1&amp;last=1" in refused.content.decode()
    assert client.get(f"/jobs/{job.id}/figures.csv?first=one").status_code == 400
    assert browser(cohort.outsider).get(f"/jobs/{job.id}/figures.csv").status_code == 404


def test_a_download_shows_what_silos_did_and_how_the_model_did_there(cohort: Cohort) -> None:
    job = run_job(cohort)
    hand_over(job)
    Silo.objects.filter(id=cohort.silo.id).update(name="=cmd()")
    client = browser(cohort.scientist)
    rows = {(row["round"], row["silo_id"]): row for row in json.loads(taken(client, job, "json"))["work"]}
    listed = list(csv.DictReader(io.StringIO(taken(client, job, "csv"))))
    assert len(listed) == len(rows) == Order.objects.filter(step__round__job=job).count()
    for order in every(
        Order.objects.filter(step__round__job=job).select_related("submission", "evaluation", "step__round")
    ):
        row = rows[order.round.number, str(order.silo_id)]
        assert order.delivered_at is not None
        assert datetime.fromisoformat(row["delivered_at"]) == order.delivered_at
        assert (row["bytes_up"], row["phases_s"]) == (order.submission.payload_size_bytes, order.submission.phases_s)
        assert (row["base_accuracy"], row["base_loss"]) == (
            order.evaluation.figures["accuracy"],
            order.evaluation.figures["loss"],
        )
    mine = [row["silo"] for row in listed if row["silo_id"] == str(cohort.silo.id)]
    assert set(mine) == {"'=cmd()"}
    assert {row["silo"] for row in rows.values()} >= {"=cmd()"}
    job.request["limits"]["minimum_cell"] = 10**6
    job.save(update_fields=["request"])
    assert {row["base_accuracy"] for row in csv.DictReader(io.StringIO(taken(client, job, "csv")))} == {""}


def test_of_many_silos_the_lowest_the_middle_and_the_highest_are_drawn() -> None:
    members = [series.Member(uuid4(), f"silo {place}", "House", place) for place in range(series.LINES_MAX + 1)]
    spread = version_series.Spread({"accuracy": (0.12, 0.06, 0.0), "loss": (1.0, 1.0, 1.0)})
    scores = {
        one.silo_id: version_series.SiloScore({"accuracy": place / 100, "loss": 1.0})
        for place, one in enumerate(members)
    }
    row = version_series.VersionRow(0, {"accuracy": 0.05, "loss": 1.0}, is_best=True, by_silo=scores, spread=spread)
    chart = figures.convergence([row], members, ACCURACY, LOSS)
    assert chart.headings == ("After round", "All silos", "Highest silo", "Middle silo", "Lowest silo")
    assert chart.rows == ((0, 0.05, 0.12, 0.06, 0.0),)
    few = figures.convergence([row], members[:3], ACCURACY, LOSS)
    assert len(few.headings) == 2 + 3


def test_how_far_silos_lie_apart_is_judged_by_the_database(cohort: Cohort) -> None:
    job = run_job(cohort)
    listed = [0.2, 0.5, 0.9]
    for order in Order.objects.filter(step__round__job=job).select_related("evaluation"):
        place = [played.silo.id for played in cohort.federation.silos].index(order.silo_id)
        Evaluation.objects.filter(order=order).update(figures={"accuracy": listed[place], "loss": 1.0})
    rows = version_series.versions_of(job, spread=True)
    assert {row.spread.figures["accuracy"] for row in rows if row.spread} == {(0.9, 0.5, 0.2)}
    assert [bool(row.by_silo) for row in rows] == [row.is_best for row in rows]
    job.request["limits"]["minimum_cell"] = 10**6
    assert {row.spread for row in version_series.versions_of(job, spread=True)} == {None}


def test_of_large_cohorts_fewer_rounds_are_drawn() -> None:
    members = [series.Member(uuid4(), "s", "h", 0)] * 50
    assert series.drawn(120, members[:4]) == 120
    assert series.drawn(120, members) == 50
