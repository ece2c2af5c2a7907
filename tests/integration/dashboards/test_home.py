"""The page where a person comes in."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from silos import actions
from silos.models import Silo
from silos.transitions import SiloState
from tests.support.cohort import Cohort, browser, run_job
from training.actions import control

pytestmark = pytest.mark.django_db


def page_of(user: Any) -> str:
    return browser(user).get("/").content.decode()


def test_consortia_and_jobs_are_those_that_one_sees(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=0)
    for user in (cohort.scientist, cohort.neighbour, cohort.keeper):
        page = page_of(user)
        assert "Consortium heart" in page
        assert f"/jobs/{job.id}/" in page
    outside = page_of(cohort.outsider)
    assert "Consortium heart" not in outside
    assert str(job.id) not in outside
    assert "You see none yet." in page_of(cohort.nobody)


def test_each_finds_what_waits_for_them(cohort: Cohort) -> None:
    assert "Waiting for you" not in page_of(cohort.administrator)
    created = actions.create(organisation=cohort.silo.organisation, name="annexe", by=cohort.it)
    assert "make a code and enrol one" in page_of(cohort.it)
    assert "make a code and enrol one" not in page_of(cohort.steward)
    Silo.objects.filter(id=created.id).update(
        state=SiloState.PRESENTED, identity_key=b"i" * 32, transport_key=b"t" * 32
    )
    assert "compare the fingerprints" in page_of(cohort.administrator)
    assert "compare the fingerprints" not in page_of(cohort.it)
    Silo.objects.filter(id=cohort.silo.id).update(silent_since=timezone.now())
    assert "has not been heard of" in page_of(cohort.it)
    assert "has not been heard of" not in page_of(cohort.neighbour)
    job = run_job(cohort, rounds_answered=0)
    control.pause(job=job, by=cohort.scientist)
    assert "is paused: Paused by Dana Data." in page_of(cohort.scientist)
    assert "is paused" not in page_of(cohort.neighbour)


def test_it_asks_as_many_questions_whatever_there_is(cohort: Cohort, django_assert_max_num_queries: Any) -> None:
    for _ in range(3):
        run_job(cohort, rounds_answered=0)
    client = browser(cohort.scientist)
    with django_assert_max_num_queries(16):
        client.get("/")
