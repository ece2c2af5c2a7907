"""What happened, as each may know it: the list, its filters, its pages, and the files to take away."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from audit.actions import record
from audit.models import Event
from dashboards.activity import views
from tests.support.cohort import Cohort, browser, run_job
from tests.support.federation import TEST

pytestmark = pytest.mark.django_db
PATHS = ("/activity/", "/activity/events.csv", "/activity/events.json")


def verbs_of(client: Client, query: str = "") -> list[str]:
    return [event["verb"] for event in json.loads(client.get(f"/activity/events.json?{query}").content)["events"]]


def test_each_person_reads_the_events_that_they_may(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    for path in PATHS:
        assert Client().get(path).status_code == 302, path
        assert f"{job.id}" in browser(cohort.neighbour).get(path).content.decode(), (
            path
        )  # the second organisation's auditor
        assert f"{job.id}" not in browser(cohort.outsider).get(path).content.decode(), path
        assert f"{job.id}" not in browser(cohort.nobody).get(path).content.decode(), path
    assert "round.opened" in verbs_of(browser(cohort.platform_admin))
    assert set(verbs_of(browser(cohort.scientist))) == {"job.launched"}  # no record to read, but what she did herself
    assert "Nothing has happened yet" in browser(cohort.nobody).get("/activity/").content.decode()
    hidden = cohort.federation.consortium.id
    for path in PATHS:
        assert browser(cohort.outsider).get(f"{path}?consortium={hidden}").status_code == 404, path


def test_activity_is_filtered_by_what_who_where_and_when(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    client = browser(cohort.administrator)
    assert set(verbs_of(client, "verb=job.launched")) == {"job.launched"}
    assert all(verb.startswith("round.") for verb in verbs_of(client, "verb=round."))
    assert verbs_of(client, "verb=round.")
    assert verbs_of(client, "actor=dana&verb=job.") == ["job.launched"]
    assert len(verbs_of(client, f"job={job.id}")) == Event.objects.filter(job_id=job.id).count()
    assert verbs_of(client, f"consortium={cohort.federation.consortium.id}")
    assert verbs_of(client, "until=2001-01-01") == []
    assert verbs_of(client, "since=2999-01-01") == []
    assert verbs_of(client, "until=9999-12-31")
    page = client.get("/activity/?since=yesterday&job=x").content.decode()
    assert "Enter a valid date" in page
    assert "Enter a valid UUID" in page
    assert "job.launched" in page
    assert "Nothing of that kind" in client.get("/activity/?actor=nobody-at-all").content.decode()
    assert client.get("/activity/?verb=%00").status_code == 200


def test_pages_are_turned_and_keep_what_was_asked_for(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "PAGE_SIZE", 3)
    run_job(cohort)
    client, reported, query = browser(cohort.administrator), [], "verb=round."
    for _ in range(20):
        answer = client.get(f"/activity/?{query}")
        reported += [row.event.id for row in answer.context["rows"]]
        older = answer.context["older"]
        if older is None:
            break
        assert f"verb=round.&amp;before={older}" in answer.content.decode()
        query = f"verb=round.&before={older}"
    assert reported == list(
        Event.objects.filter(verb__startswith="round.").order_by("-id").values_list("id", flat=True)
    )
    assert client.get("/activity/?before=rubbish").status_code == 200
    assert client.get(f"/activity/?before={10**30}").status_code == 200


def test_what_is_taken_away_is_bounded_and_runs_nothing(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    with transaction.atomic():
        home = cohort.silo.organisation
        type(cohort.it).objects.filter(pk=cohort.it.pk).update(full_name="=HYPERLINK(1)")
        cohort.it.refresh_from_db()
        record(by=cohort.it, verb="test.done", subject=home, organisation_id=home.id, detail={"name": "=1+1"})
    client = browser(cohort.administrator)
    lines = list(csv.DictReader(io.StringIO(client.get("/activity/events.csv?verb=test.").content.decode())))
    assert [line["actor_name"] for line in lines] == ["'=HYPERLINK(1)"]
    monkeypatch.setattr(views, "EXPORTED_MAX", 2)
    answer = client.get("/activity/events.json")
    assert "attachment" in answer["Content-Disposition"]
    body = json.loads(answer.content)
    assert (len(body["events"]), body["complete"]) == (2, False)


def test_activity_page_needs_a_constant_number_of_queries(cohort: Cohort, django_assert_max_num_queries: Any) -> None:
    for _ in range(2):
        run_job(cohort)
    with transaction.atomic():
        for played in cohort.federation.silos:
            record(by=TEST, verb="test.done", subject=played.silo, organisation_id=played.silo.organisation_id)
    client = browser(cohort.neighbour)
    with django_assert_max_num_queries(14):
        assert client.get("/activity/").status_code == 200
