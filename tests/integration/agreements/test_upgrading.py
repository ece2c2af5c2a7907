"""An agreement of protocol 1.0 authorises nothing: launch says so, jobs stop, and its next version is drafted."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection

from agreements.actions import drafting, lifecycle
from agreements.actions.expiry import update_all_states
from agreements.models import AgreementVersion, Comment, Revision
from agreements.selectors import in_force
from agreements.terms import agreement_of, kept, terms_of
from audit.reasons import Reason
from federation.agreements.added_terms import ADDED_BY_1_1
from federation.errors import Invalid
from federation.protocol.digests import digest_bytes
from federation.protocol.documents.terms_1_0 import RENAMED, renamed
from federation.protocol.envelope import payload_unverified
from rest.errors import Conflict
from tests.support.agreements import being_signed, drafted
from tests.support.cohort import Cohort, browser, make_cohort
from tests.support.federation import TEST
from tests.support.terms_1_0 import envelope_1_0
from tests.support.world import client_of
from training.engine import rounds, start
from training.launch.actions import launch
from training.models import Round
from training.transitions import JobState

pytestmark = pytest.mark.django_db

PROMISE = "Draft the next version under protocol 1.1"


@pytest.fixture
def cohort(db: None, blob_root: Path) -> Cohort:
    """With an agreement in force."""
    return make_cohort()


def outdated(cohort: Cohort) -> AgreementVersion:
    """The version in force, as version 0.1.0 would have had it signed."""
    version = in_force(cohort.federation.consortium)
    assert version is not None
    sealed = envelope_1_0(agreement_of(version), *(played.signatory for played in cohort.federation.silos))
    AgreementVersion.objects.filter(pk=version.pk).update(
        payload=payload_unverified(sealed),
        envelope=sealed,
        digest=digest_bytes(payload_unverified(sealed)),
        protocol="1.0",
    )
    version.refresh_from_db()
    version.terms = kept(agreement_of(version).terms)
    version.save(update_fields=["terms"])
    return version


def test_no_job_is_launched_under_it_and_the_way_out_is_reported(cohort: Cohort) -> None:
    outdated(cohort)
    with pytest.raises(Invalid) as caught:
        launch(consortium=cohort.federation.consortium, request=cohort.federation.request(), by=cohort.scientist)
    assert caught.value.code == "agreement.protocol"
    assert "draft the next version under protocol 1.1" in caught.value.fields["datasets.0"][0]


@pytest.mark.parametrize("begun", [False, True])
def test_a_job_that_was_launched_before_does_not_go_on(cohort: Cohort, begun: bool) -> None:
    job = launch(consortium=cohort.federation.consortium, request=cohort.federation.request(), by=cohort.scientist)
    if begun:
        start.start(job_id=job.id, by=TEST)
    outdated(cohort)
    if begun:
        why = Reason("round.quorum_not_met", {"answered": "0", "needed": "2"})
        rounds.abandon(round_=Round.objects.get(job_id=job.id), by=TEST, why=why)
    else:
        start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    assert (job.state, job.reason_code) == (JobState.CANCELLED, "agreement.protocol")


def test_a_version_that_was_being_signed_under_1_0_is_open_to_changes_again(cohort: Cohort) -> None:
    version = being_signed(cohort.federation)
    sealed = envelope_1_0(agreement_of(version))
    AgreementVersion.objects.filter(pk=version.pk).update(
        payload=payload_unverified(sealed), digest=digest_bytes(payload_unverified(sealed)), protocol="1.0"
    )
    assert update_all_states(by=TEST) == 1
    version.refresh_from_db()
    assert (version.state, version.protocol, version.payload) == ("proposed", "", None)
    assert "signed under protocol 1.1" in version.reason_text
    assert lifecycle.open_signing(version=version, by=cohort.administrator).protocol == "1.1"


def test_its_page_offers_the_next_version_and_lists_what_is_added(cohort: Cohort) -> None:
    version = outdated(cohort)
    page = browser(cohort.administrator).get(f"/agreements/{version.pk}/").content.decode()
    assert "which authorises nothing any more" in page
    assert PROMISE in page
    for added in ADDED_BY_1_1:
        assert added.path in page
    assert PROMISE not in browser(cohort.scientist).get(f"/agreements/{version.pk}/").content.decode()
    answer = browser(cohort.administrator).post(f"/agreements/{version.pk}/upgrade/")
    made = AgreementVersion.objects.get(state=AgreementVersion.State.DRAFT)
    assert answer.headers["Location"] == f"/agreements/{made.pk}/"
    page = browser(cohort.administrator).get(f"/agreements/{made.pk}/").content.decode()
    assert "Read them before signing is opened" in page
    for added in ADDED_BY_1_1:
        assert added.path in page
        assert added.meaning.replace("'", "&#x27;") in page


def test_the_draft_has_the_same_terms_and_each_added_one_at_its_default(cohort: Cohort) -> None:
    version = outdated(cohort)
    before = terms_of(version)
    made = drafting.draft_upgrade(version=version, by=cohort.administrator)
    after = terms_of(made)
    assert after.clear_reason.startswith("Carried over")
    assert after.training_limits.trainer_network == "allowed"
    assert after.cohort.organisation_share_max is None
    assert after.model_copy(update={"clear_reason": ""}) == before
    assert (made.supersedes, made.number, made.protocol) == (version, version.number + 1, "")


def test_an_agreement_is_upgraded_by_rest(cohort: Cohort) -> None:
    version = outdated(cohort)
    client = client_of(cohort.administrator)
    body = client.get(f"/api/v1/agreements/versions/{version.pk}/").json()
    assert (body["protocol"], body["is_outdated"]) == ("1.0", True)
    assert [one["path"] for one in body["added_terms"]] == [added.path for added in ADDED_BY_1_1]
    answer = client.post(f"/api/v1/agreements/versions/{version.pk}/upgrade/")
    assert (answer.status_code, answer.json()["state"]) == (201, "draft")
    assert {one["current_value"] for one in answer.json()["added_terms"]} >= {"allowed", None}
    again = client.post(f"/api/v1/agreements/versions/{version.pk}/upgrade/")
    assert (again.status_code, again.json()["code"]) == (409, "agreement.overlapping")
    answer = client_of(cohort.scientist).post(f"/api/v1/agreements/versions/{version.pk}/upgrade/")
    assert answer.status_code == 403


def test_a_version_of_today_is_not_upgraded(cohort: Cohort) -> None:
    version = in_force(cohort.federation.consortium)
    assert version is not None
    assert version.protocol == "1.1"
    page = browser(cohort.administrator).get(f"/agreements/{version.pk}/").content.decode()
    assert PROMISE not in page
    with pytest.raises(Conflict, match=r"agreement\.not_outdated"):
        drafting.draft_upgrade(version=version, by=cohort.administrator)


def test_who_may_not_draft_upgrades_nothing(cohort: Cohort) -> None:
    version = outdated(cohort)
    assert browser(cohort.scientist).post(f"/agreements/{version.pk}/upgrade/").status_code == 403
    assert not AgreementVersion.objects.filter(state=AgreementVersion.State.DRAFT).exists()


def test_wordings_and_comments_of_before_get_the_names_of_today_and_bytes_stay(cohort: Cohort) -> None:
    version = outdated(cohort)
    draft = drafted(cohort.federation)
    Comment.objects.create(version=draft, clause="work", revision=1, text="Less.", by=cohort.steward)
    old = {new: name for name, new in RENAMED.items()}
    for model in (AgreementVersion, Revision):
        for row in model.objects.all():
            row.terms = {old.get(name, name): one_report for name, one_report in row.terms.items()}
            row.save(update_fields=["terms"])
    payload, digest = bytes(version.payload or b""), version.digest
    import_module("agreements.migrations.0004_names_of_terms").rename(apps, connection.schema_editor())
    AgreementVersion.objects.update(protocol="")
    import_module("agreements.migrations.0005_protocol").read_protocol(apps, connection.schema_editor())
    version.refresh_from_db()
    draft.refresh_from_db()
    assert terms_of(version) == agreement_of(version).terms
    assert (bytes(version.payload or b""), version.digest, version.protocol) == (payload, digest, "1.0")
    assert (draft.terms, draft.protocol) == (renamed(draft.terms), "")
    assert all(set(RENAMED).isdisjoint(row.terms) for row in Revision.objects.all())
    assert Comment.objects.get().clause == "training_limits"


def test_what_stands_in_a_wording_of_1_0_is_refused_by_name(cohort: Cohort) -> None:
    body = {"consortium": str(cohort.federation.consortium.id), "terms": {"work": {}, "leaving": {}}}
    answer = client_of(cohort.administrator).post("/api/v1/agreements/versions/", body, content_type="application/json")
    assert answer.status_code == 422
    assert {"terms.work", "terms.leaving", "terms.training_limits"} <= answer.json()["fields"].keys()
