"""The page where a person comes in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agreements.actions import drafting, lifecycle
from agreements.actions.signing import accept_signature
from agreements.models import Via
from silos import actions
from silos.models import Silo
from silos.transitions import SiloState
from tests.support.agreements import parsed, proposed, signed_by
from tests.support.cohort import Cohort, browser, run_job
from tests.support.every import every
from training.engine import control
from training.models import Job
from training.transitions import JobState

pytestmark = pytest.mark.django_db


def page_of(user: Any) -> str:
    return browser(user).get("/").content.decode()


def test_consortia_and_jobs_are_those_that_one_sees(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=0)
    for user in (cohort.scientist, cohort.neighbour, cohort.platform_admin):
        page = page_of(user)
        assert "Consortium heart" in page
        assert f"/jobs/{job.id}/" in page
    outside = page_of(cohort.outsider)
    assert "Consortium heart" not in outside
    assert str(job.id) not in outside
    assert "You see none yet." in page_of(cohort.nobody)


def test_the_home_page_shows_each_person_what_waits_for_them(cohort: Cohort) -> None:
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


def test_what_went_wrong_is_reported_for_a_week(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=0)
    assert "Incidents" not in page_of(cohort.neighbour)
    failed = {"state": JobState.FAILED, "reason_code": "round.quorum_not_met", "reason": "Too few answered."}
    Job.objects.filter(pk=job.pk).update(**failed, ended_at=timezone.now())
    for user in (cohort.neighbour, cohort.scientist):
        assert "Too few answered." in page_of(user)
        assert "round.quorum_not_met" in page_of(user)
    assert "Incidents" not in page_of(cohort.outsider)
    Job.objects.filter(pk=job.pk).update(ended_at=timezone.now() - timedelta(days=8))
    assert "Incidents" not in page_of(cohort.neighbour)
    paused = run_job(cohort, rounds_answered=0)
    control.pause(job=paused, by=cohort.scientist)
    assert "Paused by Dana Data." in page_of(cohort.neighbour)
    german = browser(cohort.neighbour).get("/", headers={"accept-language": "de"}).content.decode()
    assert "Angehalten von Dana Data." in german, "said when it is read, in the reader's language"


def test_cards_and_jobs_show_how_it_goes(cohort: Cohort) -> None:
    run_job(cohort)
    going = run_job(cohort, rounds_answered=1)
    Silo.objects.filter(pk=cohort.silo.pk).update(last_seen_at=timezone.now())
    answer = browser(cohort.scientist).get("/")
    (card,) = answer.context["consortia"]
    assert (card.n_organisations, card.n_silos, card.n_online, card.n_running, card.n_jobs) == (3, 3, 1, 1, 2)
    assert (card.n_datasets, card.n_models) == (3, 2)
    assert answer.context["jobs"][0].job.id == going.id
    assert answer.context["jobs"][1].figures[-1] == 0.5
    assert "<polyline" in answer.content.decode()


def test_where_there_is_nothing_yet_each_role_is_informed_what_comes_next(cohort: Cohort) -> None:
    by_name = {
        cohort.platform_admin: ("Take organisations in", "/organisations/"),
        cohort.administrator: ("Invite organisations", ""),
        cohort.steward: ("training plans to review", "/datasets/"),
        cohort.it: ("from the code to a running connector", "/silos/new/"),
        cohort.scientist: ("share a schema", "/datasets/"),
        cohort.neighbour: ("in the audit log", "/activity/"),
    }
    for user, (text, link) in every(by_name.items()):
        page = page_of(user)
        assert "What to do next" in page, user
        assert text in page
        assert link in page
    assert "What to do next" not in page_of(cohort.nobody)
    run_job(cohort, rounds_answered=0)
    assert "What to do next" not in page_of(cohort.it)


def test_who_administers_is_informed_how_what_they_proposed_fares(
    cohort: Cohort, django_assert_max_num_queries: Any
) -> None:
    federation, version = cohort.federation, proposed(cohort.federation)
    assert "Nobody has commented yet." in page_of(cohort.administrator)
    drafting.comment(version=version, clause="privacy", text="My own.", by=cohort.administrator)
    drafting.comment(version=version, clause="privacy", text="More of it.", by=cohort.steward)
    drafting.comment(version=version, clause="training_limits", text="Less of it.", by=cohort.steward)
    drafting.revise(version=version, terms=parsed(federation, notes="As I say."), by=cohort.steward)
    page = page_of(cohort.administrator)
    assert f"/agreements/{version.pk}/" in page
    assert "is proposed." in page
    assert "2 comments by others." in page
    assert "1 counter-proposal by others." in page
    version = lifecycle.open_signing(version=version, by=cohort.administrator)
    first = federation.silos[0]
    accept_signature(envelope=signed_by(version, first.signatory), by=first.silo, via=Via.CONNECTOR)
    client = browser(cohort.administrator)
    with django_assert_max_num_queries(19):
        page = client.get("/").content.decode()
    assert "is being signed: 1 of 3 members have signed." in page
    missing = page.partition("Not yet signed by:")[2].partition("<")[0]
    assert [name.strip() for name in missing.split(",")] == [
        played.silo.organisation.name for played in federation.silos[1:]
    ]
    for other in (cohort.scientist, cohort.neighbour, cohort.platform_admin, cohort.outsider):
        assert "Agreements under way" not in page_of(other)
    for played in federation.silos[1:]:
        accept_signature(envelope=signed_by(version, played.signatory), by=played.silo, via=Via.CONNECTOR)
    assert "Agreements under way" not in page_of(cohort.administrator)


def test_home_page_needs_a_constant_number_of_queries(cohort: Cohort, django_assert_max_num_queries: Any) -> None:
    for _ in range(3):
        run_job(cohort, rounds_answered=0)
    run_job(cohort)
    client = browser(cohort.scientist)
    with django_assert_max_num_queries(19):
        client.get("/")
