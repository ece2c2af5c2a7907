"""A model goes out as the agreement lets it: by kind of version, to whom, and once each member has confirmed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.actions import edit_organisation, grant_role
from accounts.models import Organisation, OrganisationRole, User
from accounts.permissions import Role
from audit.models import Event
from consortia.models import ConsortiumRole
from federation.protocol.documents import DisclosureTerms
from registry.models import ModelVersion, ReleaseConfirmation
from registry.release import missing
from rest.errors import Conflict
from tests.support.cohort import browser
from tests.support.federation import TEST, Federation, make_federation
from tests.support.world import make_organisation, person
from training.engine import answers, closing, start
from training.launch.actions import launch
from training.models import Job, Order
from training.transitions import OUTSTANDING

pytestmark = pytest.mark.django_db
METRICS = ("loss", "accuracy")


def learned(**leaving: Any) -> tuple[Federation, Job]:
    """A job that is complete, under such terms of release."""
    federation = make_federation(agreed=False)
    federation.agree(disclosure=DisclosureTerms(metrics=METRICS, minimum_cell=1, **leaving))
    request = federation.request(rounds=2)
    job = launch(consortium=federation.consortium, request=request, by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    while orders := list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING)):
        for order in orders:
            played = federation.played(order.silo_id)
            answers.answer(document=played.train(order, 0.5), by=played.silo)
        closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    job.refresh_from_db()
    return federation, job


def version(job: Job, number: int) -> ModelVersion:
    """The version after a round."""
    assert job.model is not None
    return job.model.versions.get(round_number=number)


def download(client: Client, wanted: ModelVersion) -> tuple[int, str]:
    """The status, and the code of a refusal."""
    answer: Any = client.get(f"/api/v1/model-versions/{wanted.id}/download/")
    for close in answer._resource_closers:  # its own `close` would end the connection to the database
        close()
    return answer.status_code, answer.json()["code"] if answer.status_code != 200 else ""


def test_the_final_model_goes_out_and_those_of_rounds_only_if_the_agreement_says_so() -> None:
    federation, job = learned()
    client = browser(federation.scientist)
    assert download(client, version(job, 2)) == (200, "")
    assert download(client, version(job, 1)) == (403, "release.round_model")
    federation, job = learned_again(federation, round_models=True)
    assert download(client, version(job, 1)) == (200, "")


def learned_again(_federation: Federation, **leaving: Any) -> tuple[Federation, Job]:
    """Another consortium, whose scientist is the same person."""
    other = make_federation(name="other", agreed=False)
    other.agree(disclosure=DisclosureTerms(metrics=METRICS, minimum_cell=1, **leaving))
    other.scientist = _federation.scientist
    grant_role(user=other.scientist, organisation=other.silos[0].silo.organisation, role=Role.DATA_SCIENTIST, by=TEST)
    job = launch(consortium=other.consortium, request=other.request(rounds=2), by=other.scientist)
    start.start(job_id=job.id, by=TEST)
    orders = list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING))
    for order in orders:
        played = other.played(order.silo_id)
        answers.answer(document=played.train(order, 0.5), by=played.silo)
    closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    job.refresh_from_db()
    return other, job


def test_where_no_model_may_leave_none_does_and_nothing_is_written_of_a_download() -> None:
    federation, job = learned(final_model=False)
    assert download(browser(federation.scientist), version(job, 2)) == (403, "release.not_allowed")
    assert not Event.objects.filter(verb="model.downloaded").exists()


def test_only_members_and_those_that_are_named_get_it() -> None:
    federation, job = learned()
    guest, elsewhere = person("guest"), make_organisation("elsewhere")
    grant_role(user=guest, organisation=elsewhere, role=Role.DATA_SCIENTIST, by=TEST)
    from consortia.actions import grant_consortium_role

    grant_consortium_role(
        user=guest, consortium=federation.consortium, role=Role.DATA_SCIENTIST, by=federation.administrator
    )
    assert download(browser(guest), version(job, 2)) == (403, "release.recipient")


def guest_of(federation: Federation, organisation: Organisation) -> User:
    """A data scientist of another organisation, with a role in the consortium."""
    from consortia.actions import grant_consortium_role

    guest = person("guest")
    for role in (Role.DATA_SCIENTIST, Role.ORGANISATION_ADMINISTRATOR):
        grant_role(user=guest, organisation=organisation, role=role, by=TEST)
    grant_consortium_role(
        user=guest, consortium=federation.consortium, role=Role.DATA_SCIENTIST, by=federation.administrator
    )
    return guest


def rename(organisation: Organisation, name: str) -> None:
    edit_organisation(organisation=organisation, name=name, country="CH", kind="hospital", by=TEST)


def test_who_takes_a_recipients_name_gets_no_model_and_a_recipient_keeps_it_under_another_name() -> None:
    institute, elsewhere = make_organisation("institute"), make_organisation("elsewhere")
    federation, job = learned(recipients=["Institute", "Nobody Yet"])
    guest, member = guest_of(federation, elsewhere), federation.silos[1].silo.organisation
    wanted = version(job, 2)
    assert download(browser(guest), wanted) == (403, "release.recipient")
    rename(elsewhere, "Nobody Yet")  # the terms meant no organisation by it when they came into force
    assert download(browser(guest), wanted) == (403, "release.recipient")
    for taken in (member.name, "Institute"):
        answer = browser(guest).patch(
            f"/api/v1/organisations/{elsewhere.pk}/", {"name": taken}, content_type="application/json"
        )
        assert (answer.status_code, answer.json()["code"]) == (409, "organisation.name_taken")
    # nor does the name that a member gave up, and the member has what it had
    rename(member, "Quite Another")
    rename(institute, "Renamed Institute")
    with pytest.raises(Conflict):
        rename(elsewhere, "Institute")
    grant_role(user=guest, organisation=institute, role=Role.DATA_SCIENTIST, by=TEST)
    assert download(browser(guest), wanted)[0] == 200
    theirs = person("theirs")
    grant_role(user=theirs, organisation=member, role=Role.DATA_SCIENTIST, by=TEST)
    assert download(browser(theirs), wanted)[0] == 200


def test_no_model_comes_by_leaving_an_organisation_that_may_not_have_it() -> None:
    federation, job = learned()
    guest = guest_of(federation, make_organisation("elsewhere"))
    client = browser(guest)
    OrganisationRole.objects.filter(user=guest).delete()
    assert download(client, version(job, 2)) == (403, "release.recipient")
    alone = person("alone")
    ConsortiumRole.objects.filter(user=guest).update(user=alone)
    assert download(browser(alone), version(job, 2)) == (200, "")  # never of any: acts for the consortium
    User.objects.filter(pk=alone.pk).update(home=Organisation.objects.get(slug="elsewhere"))
    assert download(browser(alone), version(job, 2)) == (403, "release.recipient")


def steward(federation: Federation, index: int) -> User:
    """The steward of one of the members."""
    user = person(f"steward-{index}")
    grant_role(user=user, organisation=federation.silos[index].silo.organisation, role=Role.STEWARD, by=TEST)
    return user


def by_rest(user: User, wanted: ModelVersion) -> int:
    """Confirm over the REST API."""
    return browser(user).post(f"/api/v1/model-versions/{wanted.id}/release/").status_code


def by_page(user: User, wanted: ModelVersion) -> int:
    """Confirm with the button of the page."""
    client = browser(user)
    page = client.get(f"/models/{wanted.model_id}/?round={wanted.round_number}").content.decode()
    assert "Confirm for" in page
    answer = client.post(f"/model-versions/{wanted.id}/confirm-release/")
    return 201 if answer.status_code == 302 else answer.status_code


@pytest.mark.parametrize("confirm", [by_rest, by_page])
def test_where_the_agreement_asks_each_member_has_to_confirm(confirm: Callable[[User, ModelVersion], int]) -> None:
    federation, job = learned(release_confirmed_by_each=True)
    wanted, client = version(job, 2), browser(federation.scientist)
    for index in range(3):
        assert download(client, wanted) == (403, "release.unconfirmed")
        assert len(missing(wanted)) == 3 - index
        assert confirm(steward(federation, index), wanted) == 201
    assert download(client, wanted) == (200, "")
    assert ReleaseConfirmation.objects.filter(version=wanted).count() == 3
    assert Event.objects.filter(verb="model.release_confirmed").count() == 3


def test_a_confirmation_counts_once_and_is_for_stewards_of_members() -> None:
    federation, job = learned(release_confirmed_by_each=True)
    wanted, first = version(job, 2), steward(federation, 0)
    assert by_rest(first, wanted) == 201
    assert by_rest(first, wanted) == 409
    assert by_rest(federation.scientist, wanted) == 403
    assert by_rest(person("stranger"), wanted) == 404
    other, job = learned_again(federation)
    assert by_rest(steward(other, 1), version(job, 1)) == 409
