"""What silos missed, why and what to do: on the job, on the silo, at home, and by REST."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from audit.models import Event
from dashboards.job import series
from dashboards.job.left_out import waited
from monitoring.models import Kind
from monitoring.wording import notice_text
from tests.support.cohort import Cohort, browser, run_job
from tests.support.every import every
from tests.support.federation import TEST
from training.engine import answers, closing
from training.models import Job, Order
from training.reading.absences import absences_in
from training.transitions import OUTSTANDING, JobState

pytestmark = pytest.mark.django_db


def job_without_the_first(cohort: Cohort, **changes: Any) -> Job:
    """A job that completes although the data of the first organisation's silo can't be read."""
    job = run_job(cohort, rounds_answered=0, rounds=2, **changes)
    while orders := list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING)):
        for order in orders:
            played = cohort.federation.played(order.silo_id)
            refuses = order.silo_id == cohort.silo.id
            document = played.refuse(order) if refuses else played.train(order, 0.5)
            answers.answer(document=document, by=played.silo)
        closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    job.refresh_from_db()
    assert job.state == JobState.COMPLETED
    return job


def asked(user: User, path: str) -> Any:
    client = APIClient()
    client.force_authenticate(user)
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_job_that_completed_without_a_silo_says_so_everywhere(cohort: Cohort) -> None:
    job = job_without_the_first(cohort)
    pages = {
        "job": (cohort.scientist, f"/jobs/{job.id}/"),
        "silo": (cohort.it, f"/silos/{cohort.silo.id}/"),
        "home": (cohort.it, "/"),
    }
    for user, path in every(pages.values()):
        page = browser(user).get(path).content.decode()
        assert "data.unreadable" in page
        assert "be read." in page
        assert "silo-connector data check" in page
        german = browser(user).get(path, headers={"accept-language": "de"}).content.decode()
        assert "Was zu tun ist:" in german
        assert "kann seine Daten nicht lesen" in german
        assert "silo-connector data check" in german
    events = notice_text(Kind.JOB_COMPLETED, Event.objects.get(job_id=job.id, verb="job.completed"))
    assert events is not None
    assert f"{cohort.silo.name}: " in events.text
    assert "data.unreadable" in events.text
    reported = asked(cohort.scientist, f"jobs/{job.id}/")
    (line,) = reported["absences"]
    assert (line["silo"]["id"], line["outcome"], line["code"], line["rounds"], line["last_round"]) == (
        str(cohort.silo.id), "refused", "data.unreadable", 3, 3,
    )  # fmt: skip
    assert reported["current_round"]["answered"] == 2
    for user, path in ((cohort.it, "absences/"), (cohort.scientist, f"absences/?silo={cohort.silo.id}")):
        (line,) = asked(user, path)["results"]
        assert (line["job"]["id"], line["code"], line["rounds"]) == (str(job.id), "data.unreadable", 3)
        assert "silo-connector data check" in line["remedy"]


def test_of_anothers_silo_one_is_informed_what_belongs_to_jobs_that_one_sees(cohort: Cohort) -> None:
    job_without_the_first(cohort)
    assert "data.unreadable" not in browser(cohort.neighbour).get("/").content.decode()
    assert asked(cohort.neighbour, "absences/")["results"] == []
    assert asked(cohort.outsider, "absences/")["results"] == []
    client = APIClient()
    client.force_authenticate(cohort.outsider)
    assert client.get(f"/api/v1/absences/?silo={cohort.silo.id}").status_code == 404
    assert client.get("/api/v1/absences/?silo=none").status_code == 422


def test_a_job_that_all_took_part_in_says_nothing(cohort: Cohort) -> None:
    job = run_job(cohort, rounds=1)
    assert absences_in(job) == ()
    assert "Whose work is missing" not in browser(cohort.scientist).get(f"/jobs/{job.id}/").content.decode()


def test_refused_orders_are_counted_alike_on_pages_and_in_files(cohort: Cohort) -> None:
    job = job_without_the_first(cohort)
    client = browser(cohort.scientist)
    for path in (f"/jobs/{job.id}/rounds/", f"/jobs/{job.id}/rounds/1/1/"):
        page = client.get(path).content.decode()
        assert "2 of 3" in page
        assert "3 of 3" not in page
        assert "1 refused by the silo" in page
    answer = client.get(f"/jobs/{job.id}/figures.csv")
    assert hasattr(answer, "streaming_content")
    text = "".join(part.decode() for part in answer)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["outcome"] for row in rows if row["silo_id"] == str(cohort.silo.id)] == ["refused"] * 3
    assert {row["close_reason"] for row in rows} == {"settled"}
    events = client.get(f"/jobs/{job.id}/events/").content.decode()
    assert "closed because no order was open any more" in events
    assert "close_reason" not in events


def test_the_report_shows_what_not_waiting_gained_and_what_it_lost(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=0, rounds=2, wait="quorum", round_deadline_s=1000)
    first = job.rounds.get()
    late = None
    while orders := list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING)):
        for order in orders:
            played = cohort.federation.played(order.silo_id)
            if order.silo_id != cohort.silo.id:
                answers.answer(document=played.train(order, 0.5), by=played.silo)
            elif late is None:
                late = played.train(order, 0.5), played.silo
        closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    assert late is not None
    answers.answer(document=late[0], by=late[1])
    members = series.members_of(job)
    reported = waited(series.round_times_of(job), series.work_of(job, (1, 2, 3)), members)
    assert reported.rounds == 3
    # to the deadline where no answer ever came, to the late one where one did
    assert 1900 < reported.saved_s < 2100
    (loss,) = reported.losses
    assert (loss.member.silo_id, loss.rounds, loss.late, loss.silent) == (cohort.silo.id, 3, 1, 0)
    page = browser(cohort.scientist).get(f"/jobs/{job.id}/report/").content.decode()
    assert "3 rounds closed without waiting for every silo" in page
    assert f"Without {cohort.silo.name}: 3 rounds" in page
    assert first.steps.get().close_reason == "quorum"
