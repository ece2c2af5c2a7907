"""Two at the same moment, and people whose organisation has left: a plan is kept once, a review counts once."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from audit.models import Event
from consortia.actions import leave_consortium
from consortia.models import Participation
from plans.actions import accept_review, propose, record_verdict, upload
from plans.models import CodeApproval, SignedReview, TrainingPlan, Via
from tests.support.agreements import steward_of
from tests.support.at_once import at_once
from tests.support.federation import TEST, Federation, make_federation
from tests.support.plans import SOURCE, sealed_review, uploaded
from tests.support.world import client_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def federation(transactional_db: None, blob_root: Path) -> Federation:
    """Three organisations with a silo each."""
    return make_federation(agreed=False)


def test_the_same_file_twice_at_once_is_one_plan(federation: Federation) -> None:
    work = partial(upload, consortium=federation.consortium, source=SOURCE, by=federation.administrator)
    assert at_once(work, work, work, work) == [""] * 4
    plan = TrainingPlan.objects.get()
    assert Event.objects.filter(verb="plan.uploaded").count() == 1
    asking = partial(propose, plan=plan, by=federation.administrator)
    assert at_once(asking, asking, asking) == [""] * 3
    assert Event.objects.filter(verb="plan.proposed").count() == 1


def test_the_same_review_twice_at_once_counts_once_and_two_people_s_are_two(federation: Federation) -> None:
    uploaded(federation.consortium, federation.administrator)
    played = federation.silos[0]
    reader, second = sealed_review(played), sealed_review(played, reviewer="Paul Second")
    works = [
        partial(accept_review, envelope=sealed, by=played.silo, via=Via.CONNECTOR)
        for sealed in (reader, second, reader, second)
    ]
    assert at_once(*works) == [""] * 4
    assert SignedReview.objects.count() == Event.objects.filter(verb="plan.reviewed_on_premises").count() == 2
    assert accept_review(envelope=reader, by=played.silo, via=Via.CONNECTOR).reviewers == 2


def test_a_steward_s_verdict_twice_at_once_is_one_verdict(federation: Federation) -> None:
    plan = uploaded(federation.consortium, federation.administrator)
    member_organisation = federation.silos[0].silo.organisation
    speaking = partial(
        record_verdict,
        plan=plan,
        organisation=member_organisation,
        verdict="approved",
        seen_digest=plan.digest,
        shown_by="second factor",
        by=steward_of(member_organisation),
    )
    assert at_once(speaking, speaking, speaking) == [""] * 3
    assert CodeApproval.objects.count() == 1


def test_who_has_left_sees_no_plan_and_submits_nothing_for_it(federation: Federation) -> None:
    plan = uploaded(federation.consortium, federation.administrator)
    gone = federation.silos[1]
    member_organisation = gone.silo.organisation
    client = client_of(steward_of(member_organisation))
    place = f"/api/v1/plans/{plan.pk}/"
    assert client.get(place).status_code == 200
    accept_review(envelope=sealed_review(gone), by=gone.silo, via=Via.CONNECTOR)
    leave_consortium(
        participation=Participation.objects.get(consortium=federation.consortium, organisation=member_organisation),
        by=TEST,
    )
    body: dict[str, object] = {"document": {}}
    answers = [
        client.get(place),
        client.get(f"{place}source/"),
        client.get(f"{place}reviews/"),
        client.post(f"{place}reviews/", body, format="json"),
        client.post(f"{place}propose/"),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "plan.not_found")] * 5
    response = client_of(federation.administrator)
    assert member_organisation.name not in {one["organisation"] for one in response.get(f"{place}reviews/").json()}
    assert member_organisation.name not in {
        one["organisation"]["name"] for one in response.get(place).json()["members"]
    }
