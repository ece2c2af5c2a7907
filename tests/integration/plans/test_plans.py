"""Plans as they are uploaded, put before the members and reviewed: what is taken, what is not, what it comes to."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from accounts.actions import add_signatory_key, revoke_signatory_key
from accounts.models import SignatoryKey
from audit.models import Event
from federation.errors import FederationError
from federation.plans.declaration import SOURCE_BYTES_MAX
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import now
from federation.protocol.keys import PrivateKey
from plans import actions
from plans.actions import LINES_MAX, accept_review, propose, record_verdict, upload
from plans.agreement_status import wording_of
from plans.connector import accept_review_document
from plans.models import CodeApproval, SignedReview, TrainingPlan, Via
from plans.review_status import organisation_review_rows, reviewers_at
from plans.selectors import approved_last, plans_named
from plans.waiting import plans_waiting_for
from tests.support.agreements import steward_of
from tests.support.cohort import Cohort
from tests.support.plans import CHANGED, SOURCE, agree_on, review_everywhere, sealed_review, uploaded
from tests.support.world import client_of

pytestmark = pytest.mark.django_db


def refused(code: str, work: Callable[[], object]) -> FederationError:
    """The error with this code that the work raises."""
    with pytest.raises(FederationError) as caught:
        work()
    assert caught.value.code == code
    return caught.value


def upload_signed(cohort: Cohort, sealed: bytes, place: int = 0) -> int:
    """A silo hands a review in; how many people of its organisation approve now."""
    return accept_review(envelope=sealed, by=cohort.federation.silos[place].silo, via=Via.CONNECTOR).reviewers


# --- uploading ----------------------------------------------------------------------------------------------------


def test_a_plan_is_kept_byte_for_byte_once_and_written_down(cohort: Cohort, plan: TrainingPlan) -> None:
    plan.refresh_from_db()
    assert bytes(plan.source) == SOURCE
    assert plan.digest == digest_bytes(SOURCE)
    assert plan.title == "Logistic regression, written out"
    assert plan.specification.parameters[0].shape == (1, "n_features")
    again = upload(consortium=cohort.federation.consortium, source=SOURCE, by=cohort.scientist)
    assert (again.plan, again.new) == (plan, False)
    assert Event.objects.filter(verb="plan.uploaded").count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingPlan.objects.create(
            consortium=plan.consortium,
            digest=plan.digest,
            title="x",
            source=b"",
            declaration={},
            uploaded_by=cohort.scientist,
        )


BAD = {
    "plan.not_text": [
        b"\x89PNG\r\n\x1a\n\xff\xd8",
        SOURCE + b"\0",
        SOURCE + "# \u202e".encode(),
        SOURCE + b"# \x1b[2K",
    ],
    "plan.too_large": [SOURCE + b"#" * SOURCE_BYTES_MAX],
    "plan.too_long": [SOURCE + b"\n" * LINES_MAX],
    "plan.not_python": [SOURCE + b"\ndef ("],
    "plan.undeclared": [
        b"def predict(parameters, features): ...",
        SOURCE.replace(b'"interface": 1', b'"interface": 2 - 1'),
    ],
    "plan.invalid": [SOURCE.replace(b'"interface": 1', b'"interface": 2'), SOURCE.replace(b'"n_features"', b'"rows"')],
    "plan.functions": [SOURCE.replace(b"def predict(parameters, features)", b"def predict(features)")],
    "plan.title": [
        SOURCE.replace(b"regression, written", b"regression\\x00, written"),
        SOURCE.replace(b"regression, w", b"\\u202e w"),
    ],
}


@pytest.mark.parametrize(("code", "source"), [(code, one) for code, all_ in BAD.items() for one in all_])
def test_what_is_no_plan_is_reported_at_the_member_that_holds_it(cohort: Cohort, code: str, source: bytes) -> None:
    consortium, client = str(cohort.federation.consortium.pk), client_of(cohort.scientist)
    refused(code, lambda: upload(consortium=cohort.federation.consortium, source=source, by=cohort.scientist))
    file = SimpleUploadedFile("plan.py", source, content_type="text/x-python")
    answer = client.post("/api/v1/plans/", {"consortium": consortium, "file": file}, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.content
    assert all(name == "file" or name.startswith("PLAN") for name in answer.json()["fields"])
    assert not TrainingPlan.objects.exists()
    assert not Event.objects.filter(verb__startswith="plan.").exists()


def test_upload_by_file_and_by_text_and_the_source_comes_back(cohort: Cohort) -> None:
    consortium, client = str(cohort.federation.consortium.pk), client_of(cohort.scientist)
    file = SimpleUploadedFile("plan.py", SOURCE, content_type="text/x-python")
    body = {"consortium": consortium, "file": file, "propose": "true"}
    made = client.post("/api/v1/plans/", body, format="multipart")
    assert made.status_code == 201, made.content
    body_read = made.json()
    assert body_read["digest"] == digest_bytes(SOURCE)
    assert body_read["proposed_at"]
    assert body_read["is_in_agreement"] is False
    assert {member["state"] for member in body_read["members"]} == {"pending"}
    again = client.post("/api/v1/plans/", {"consortium": consortium, "text": SOURCE.decode()}, format="json")
    assert (again.status_code, again.json()["id"]) == (200, body_read["id"])
    source = client.get(f"/api/v1/plans/{body_read['id']}/source/", headers={"accept": "text/x-python"})
    assert source.content == SOURCE
    assert source["Content-Type"].startswith("text/x-python")
    assert source["Content-Disposition"].startswith("attachment")
    assert source["X-Content-Type-Options"] == "nosniff"
    lacking = client.post("/api/v1/plans/", {"consortium": consortium}, format="multipart")
    assert (lacking.status_code, list(lacking.json()["fields"])) == (422, ["file"])
    nul = client.post("/api/v1/plans/", {"consortium": consortium, "text": "x\0"}, format="json")
    assert (nul.status_code, nul.json()["code"]) == (400, "request.nul")


def test_the_same_form_under_one_key_is_sent_once(cohort: Cohort) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(cohort.scientist)
    client.cookies["csrftoken"] = "a" * 32

    def sent(source: bytes) -> Any:
        file = SimpleUploadedFile("plan.py", source)
        body = {"consortium": str(cohort.federation.consortium.pk), "file": file}
        headers = {"idempotency-key": "one", "x-csrftoken": "a" * 32}
        return client.post("/api/v1/plans/", body, format="multipart", headers=headers)

    first, again, other = sent(SOURCE), sent(SOURCE), sent(CHANGED)
    assert (first.status_code, again.status_code) == (201, 201), first.content
    assert again["Idempotency-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency.key_reused")


# --- what stewards say ----------------------------------------------------------------------------------------------


def test_a_person_s_newest_verdict_holds_and_the_same_again_is_nothing(cohort: Cohort, plan: TrainingPlan) -> None:
    def speak(verdict: str) -> CodeApproval:
        return record_verdict(
            plan=plan,
            organisation=cohort.silo.organisation,
            verdict=verdict,
            seen_digest=plan.digest,
            shown_by="second factor",
            by=cohort.steward,
        )

    speak("approved")
    speak("approved")
    assert CodeApproval.objects.count() == 1
    speak("refused")
    wording = wording_of(plan.consortium)
    row = next(one for one in organisation_review_rows(plan.consortium, [plan], wording)[plan.pk] if one.verdicts)
    assert [word.verdict for word in row.verdicts] == ["refused"]
    assert (row.state, row.n_reviewers) == ("refused_in_browser", 0)
    assert list(Event.objects.filter(verb__startswith="plan.").order_by("id").values_list("verb", flat=True)) == [
        "plan.uploaded",
        "plan.approved",
        "plan.refused",
    ]
    refused(
        "plan.other_code",
        lambda: record_verdict(
            plan=plan,
            organisation=cohort.silo.organisation,
            verdict="approved",
            seen_digest="sha256:0",
            shown_by="",
            by=cohort.steward,
        ),
    )


def test_a_plan_waits_for_a_steward_once_it_is_proposed_or_named(cohort: Cohort, plan: TrainingPlan) -> None:
    steward, member_organisation = cohort.steward, cohort.silo.organisation
    assert plans_waiting_for(steward, 20) == []
    propose(plan=plan, by=cohort.scientist)
    propose(plan=plan, by=cohort.scientist)
    assert Event.objects.filter(verb="plan.proposed").count() == 1
    assert [(one.plan, one.organisation, one.spoken) for one in plans_waiting_for(steward, 20)] == [
        (plan, member_organisation, False)
    ]
    assert plans_waiting_for(cohort.scientist, 20) == []
    assert plans_waiting_for(cohort.outsider, 20) == []
    record_verdict(
        plan=plan,
        organisation=member_organisation,
        verdict="approved",
        seen_digest=plan.digest,
        shown_by="",
        by=steward,
    )
    assert plans_waiting_for(steward, 20) == []
    agree_on(cohort.federation, SOURCE, reviewers=2)
    assert [one.spoken for one in plans_waiting_for(steward, 20)] == [True]
    upload_signed(cohort, sealed_review(cohort.federation.silos[0]))
    assert [one.spoken for one in plans_waiting_for(steward, 20)] == [True], "two have to"
    upload_signed(cohort, sealed_review(cohort.federation.silos[0], reviewer="Paul Second"))
    assert plans_waiting_for(steward, 20) == []


# --- signed reviews ---------------------------------------------------------------------------------------------------


def test_signed_reviews_are_counted_by_person_and_taken_once(cohort: Cohort, plan: TrainingPlan) -> None:
    played = cohort.federation.silos[0]
    first = sealed_review(played)
    assert accept_review_document(played.silo, {"document": json.loads(first)}) == {"reviewers": 1}
    assert accept_review_document(played.silo, {"document": json.loads(first)}) == {"reviewers": 1}
    assert SignedReview.objects.count() == 1
    assert upload_signed(cohort, sealed_review(played, reviewer=" rita  READER ")) == 1, "nobody is two people"
    assert upload_signed(cohort, sealed_review(played, reviewer="Paul Second")) == 2
    assert upload_signed(cohort, sealed_review(played, reviewer="Paul Second", verdict="refused")) == 0
    events = Event.objects.filter(verb="plan.reviewed_on_premises")
    assert events.count() == 4
    assert {event.consortium_id for event in events} == {plan.consortium_id}


def test_a_review_may_come_before_the_plan(cohort: Cohort) -> None:
    assert upload_signed(cohort, sealed_review(cohort.federation.silos[0])) == 1
    event = Event.objects.get(verb="plan.reviewed_on_premises")
    assert (event.consortium_id, event.organisation_id) == (None, cohort.silo.organisation_id)
    plan = uploaded(cohort.federation.consortium, cohort.scientist)
    rows = organisation_review_rows(plan.consortium, [plan], wording_of(plan.consortium))[plan.pk]
    assert [row.state for row in rows] == ["approved", "pending", "pending"]


def test_what_is_no_review_of_theirs_is_refused(cohort: Cohort, plan: TrainingPlan) -> None:
    played, other = cohort.federation.silos[:2]
    refused("review.no_mandate", lambda: upload_signed(cohort, sealed_review(other)))
    refused("review.in_future", lambda: upload_signed(cohort, sealed_review(played, at=now() + timedelta(days=1))))
    refused("document.malformed", lambda: upload_signed(cohort, sealed_review(played, reviewer="x\0y")))
    refused("document.malformed", lambda: upload_signed(cohort, sealed_review(played, reviewer="x\u202ey")))
    refused("review.malformed", lambda: upload_signed(cohort, sealed_review(played, reviewer="x\u3164y")))
    refused("document.malformed", lambda: upload_signed(cohort, sealed_review(played, reviewer="x\nApproved by y")))
    refused("review.malformed", lambda: upload_signed(cohort, sealed_review(played, note="x\u202ey")))
    refused("review.malformed", lambda: upload_signed(cohort, bytes(played.silo.certificate or b"")))
    refused("review.too_large", lambda: upload_signed(cohort, sealed_review(played) + b" " * (64 << 10)))
    refused("envelope.malformed", lambda: upload_signed(cohort, b"{}"))
    forged = json.loads(sealed_review(played))
    forged["signatures"][0]["sig"] = json.loads(sealed_review(other))["signatures"][0]["sig"]
    refused("signature.invalid", lambda: upload_signed(cohort, json.dumps(forged).encode()))
    steward = cohort.steward

    def by_steward(sealed: bytes) -> object:
        return accept_review(envelope=sealed, by=steward, via=Via.API, plan=plan)

    refused("review.other_code", lambda: by_steward(sealed_review(played, CHANGED)))
    refused("review.no_mandate", lambda: by_steward(sealed_review(other)))
    assert not SignedReview.objects.exists()


def test_one_organisation_does_not_bury_a_plan_under_reviews_and_may_still_refuse_it(
    cohort: Cohort, plan: TrainingPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "REVIEWS_OF_ONE_MAX", 3)
    played, other = cohort.federation.silos[:2]
    for number in range(3):
        upload_signed(cohort, last := sealed_review(played, reviewer=f"Reader {number}"))
    refused("review.too_many", lambda: upload_signed(cohort, sealed_review(played, reviewer="One more")))
    assert upload_signed(cohort, last) == 3, "the same again is no other"
    assert upload_signed(cohort, sealed_review(played, CHANGED, reviewer="One more")) == 1
    accept_review(envelope=sealed_review(other), by=other.silo, via=Via.CONNECTOR)
    for number in range(3):
        assert upload_signed(cohort, sealed_review(played, reviewer=f"Reader {number}", verdict="refused")) == 0
    refused(
        "review.too_many", lambda: upload_signed(cohort, sealed_review(played, reviewer="Again", verdict="refused"))
    )


def test_other_signatures_in_the_file_are_passed_over(cohort: Cohort) -> None:
    played = cohort.federation.silos[0]
    sealed = json.loads(sealed_review(played))
    sealed["signatures"].append({"keyid": PrivateKey.generate().public.key_id, "sig": sealed["signatures"][0]["sig"]})
    assert upload_signed(cohort, json.dumps(sealed).encode()) == 1
    assert len(json.loads(bytes(SignedReview.objects.get().envelope))["signatures"]) == 1


def test_a_key_that_counts_no_more_takes_its_reviews_along(cohort: Cohort, plan: TrainingPlan) -> None:
    played = cohort.federation.silos[0]
    upload_signed(cohort, sealed_review(played))
    member_organisation = played.silo.organisation
    old = SignatoryKey.objects.get(organisation=member_organisation, state="active")
    revoke_signatory_key(signatory_key=old, by=cohort.administrator)
    add_signatory_key(
        organisation=member_organisation, public_key=PrivateKey.generate().public, by=cohort.administrator
    )
    rows = organisation_review_rows(plan.consortium, [plan], wording_of(plan.consortium))[plan.pk]
    assert rows[0].state == "pending"
    assert reviewers_at(plan.digest, {member_organisation.pk: played.signatory.public})[member_organisation.pk] == 1, (
        "a trainer with the old pin"
    )


def test_a_changed_row_counts_for_nothing(cohort: Cohort, plan: TrainingPlan) -> None:
    played = cohort.federation.silos[0]
    upload_signed(cohort, sealed_review(played, CHANGED))
    SignedReview.objects.update(code_digest=plan.digest)
    assert reviewers_at(plan.digest, {played.silo.organisation_id: played.signatory.public}) == {
        played.silo.organisation_id: 0
    }


def test_the_list_of_reviews_is_what_the_command_line_reads(cohort: Cohort, plan: TrainingPlan) -> None:
    review_everywhere(cohort.federation)
    body = client_of(cohort.scientist).get(f"/api/v1/plans/{plan.pk}/reviews/").json()
    assert [one["organisation"] for one in body] == [one.silo.organisation.name for one in cohort.federation.silos]
    assert all(set(one["envelope"]) == {"payload", "payloadType", "signatures"} for one in body)
    assert client_of(cohort.outsider).get("/api/v1/plans/").json()["results"] == []


def test_the_plan_that_an_organisation_approved_last(cohort: Cohort, plan: TrainingPlan) -> None:
    newer = uploaded(cohort.federation.consortium, cohort.scientist, CHANGED)
    member_organisation = cohort.silo.organisation
    assert approved_last(newer, [member_organisation]) is None
    upload_signed(cohort, sealed_review(cohort.federation.silos[0], plan))
    assert approved_last(newer, [member_organisation]) == plan
    assert approved_last(plan, [member_organisation]) is None
    steward_of(cohort.federation.silos[1].silo.organisation)
    assert approved_last(newer, [cohort.federation.silos[1].silo.organisation]) is None


def test_an_agreement_names_a_plan_only_with_its_family(cohort: Cohort, plan: TrainingPlan) -> None:
    consortium = cohort.federation.consortium
    assert plans_named(consortium) == []
    agree_on(cohort.federation, CHANGED)
    assert plans_named(consortium) == []
    agree_on(cohort.federation, SOURCE, reviewers=2)
    assert plans_named(consortium) == [plan]
    naming = wording_of(consortium).of(plan)
    assert (naming.in_force, naming.with_family, naming.needed) == (True, True, 2)
