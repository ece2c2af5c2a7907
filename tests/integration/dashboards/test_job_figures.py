"""What the figures of a job are drawn from, with real rows; and what an open page fetches."""

from __future__ import annotations

from uuid import uuid4

import pytest

from dashboards.job import downloads, figures, series
from dashboards.job.participation import participation
from tests.support.cohort import Cohort, browser, run_job
from training.models import Order
from training.transitions import OrderState

pytestmark = pytest.mark.django_db


def test_convergence_has_every_silo_and_all_together(cohort: Cohort) -> None:
    job = run_job(cohort)
    versions, members = series.versions_of(job), series.members_of(job)
    assert [row.round_number for row in versions] == list(range(len(versions)))
    chart = figures.convergence(versions, members, "accuracy")
    assert chart.headings[1] == "All silos"
    assert len(chart.headings) == 2 + len(cohort.federation.silos)
    assert all(row[1] == 0.5 for row in chart.rows)
    assert sum(row.is_best for row in versions) == 1


def test_what_could_point_at_somebody_is_not_drawn(cohort: Cohort) -> None:
    job = run_job(cohort)
    job.request["limits"]["minimum_cell"] = 10**6
    told = series.versions_of(job)
    assert told
    assert {score.accuracy for row in told for score in row.by_silo.values()} == {None}


def test_very_long_jobs_are_thinned_and_keep_the_best(cohort: Cohort) -> None:
    job = run_job(cohort, rounds=6)
    whole = series.versions_of(job)
    thin = series.versions_of(job, limit=2)
    assert len(thin) < len(whole)
    assert any(row.is_best for row in thin)


def test_work_tells_norm_direction_bytes_and_phases(cohort: Cohort) -> None:
    job = run_job(cohort)
    times = series.round_times_of(job)
    work = series.work_of(job, {one.number for one in times})
    trained = [row for row in work if row.kind == "train"]
    assert len(trained) == 2 * len(cohort.federation.silos)
    assert all(row.update_norm_l2 is not None and row.update_norm_l2 > 0 for row in trained)
    assert all(row.payload_size_bytes > 0 for row in trained)
    members = series.members_of(job)
    assert figures.drift(work, members, "update_cosine").rows
    moved = series.traffic_of(job, {one.number for one in times})
    assert sum(one.bytes_up for one in moved) == sum(row.payload_size_bytes for row in work)
    assert sum(one.bytes_down for one in moved) == sum(row.model_size_bytes for row in work if row.delivered_at)
    assert len(figures.traffic(moved).rows) == len({one.number for one in times})
    assert all((one.total_s or 0) >= 0 for one in times)
    assert len(figures.round_timeline(times).rows) == len(times)


def test_participation_says_who_was_missing(cohort: Cohort) -> None:
    job = run_job(cohort)
    order = Order.objects.filter(step__round__job=job, step__round__number=1).first()
    assert order is not None
    Order.objects.filter(id=order.id).update(state=OrderState.EXPIRED, code="order.deadline")
    times = series.round_times_of(job)
    rows = participation(series.work_of(job, {one.number for one in times}), times, series.members_of(job))
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


def test_a_download_is_bounded_and_can_be_taken_in_parts(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    job = run_job(cohort)
    client, silos = browser(cohort.scientist), len(cohort.federation.silos)
    whole = client.get(f"/jobs/{job.id}/figures.csv").content.decode().splitlines()
    part = client.get(f"/jobs/{job.id}/figures.csv?first=2&last=2").content.decode().splitlines()
    assert len(part) == 1 + silos
    assert set(part) <= set(whole)
    assert len(client.get(f"/jobs/{job.id}/figures.json?last=1").json()["work"]) == silos
    monkeypatch.setattr(downloads, "LINES_MAX", silos)
    refused = client.get(f"/jobs/{job.id}/figures.json")
    assert refused.status_code == 422
    assert "?first=1&amp;last=1" in refused.content.decode()
    assert client.get(f"/jobs/{job.id}/figures.csv?first=one").status_code == 400
    assert browser(cohort.outsider).get(f"/jobs/{job.id}/figures.csv").status_code == 404


def test_of_many_silos_the_lowest_the_middle_and_the_highest_are_drawn() -> None:
    members = [series.Member(uuid4(), f"silo {place}", "House", place) for place in range(figures.LINES_MAX + 1)]
    scores = {one.silo_id: series.SiloScore(place / 100, 1.0, None) for place, one in enumerate(members)}
    row = series.VersionRow(0, 0.05, 1.0, is_best=True, by_silo=scores)
    chart = figures.convergence([row], members, "accuracy")
    assert chart.headings == ("After round", "All silos", "Highest silo", "Middle silo", "Lowest silo")
    assert chart.rows == ((0, 0.05, 0.12, 0.06, 0.0),)
    few = figures.convergence([row], members[:3], "accuracy")
    assert len(few.headings) == 2 + 3


def test_of_large_cohorts_fewer_rounds_are_drawn() -> None:
    members = [series.Member(uuid4(), "s", "h", 0)] * 50
    assert series.drawn(120, members[:4]) == 120
    assert series.drawn(120, members) == 50
