"""A job's bundle: anyone who may read the record downloads it, and it holds without the platform."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from accounts.models import User
from audit import chaining, checkpoints
from audit.models import Checkpoint, Countersignature, Event, JobEvents
from evidence import passports
from evidence.bundles import bundle_of
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import read_bundle
from federation.evidence.passports import open_passport, sign_passport
from federation.evidence.report import Report
from federation.evidence.verification import verify_evidence
from federation.protocol.chains import chain_of
from federation.protocol.documents import (
    AuditCheckpoint,
    DisclosureTerms,
    Environment,
    Manifest,
    TrainingLimits,
    now,
    read,
    sign_document,
)
from federation.protocol.envelope import payload_unverified, sign
from federation.protocol.keys import PrivateKey, load_public
from plans.actions import accept_review
from plans.models import SignedReview, Via
from registry.models import Passport
from silos.models import Silo
from tests.support.cohort import Cohort, make_cohort, run_job
from tests.support.every import every
from tests.support.federation import TEST, Federation, make_federation
from tests.support.of_1_0 import sealed_as_1_0
from tests.support.plans import CHANGED, SOURCE, agree_on, review_everywhere, sealed_review, uploaded
from training.engine import answers, closing, control, issuing, recall_orders, start
from training.engine.kinds.audit_checkpoint import accept_countersignature
from training.launch.actions import launch
from training.models import Evaluation, Job, Order, Submission
from training.transitions import OUTSTANDING, OrderState

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort() -> Cohort:
    """Everybody, with an agreement in force."""
    return make_cohort()


def signed_head() -> PrivateKey:
    """What the worker does every minute."""
    chaining.chain_new()
    checkpoints.sign_heads(issuing.signing_key())
    return issuing.signing_key()


def everybody_signs(cohort: Cohort) -> PrivateKey:
    """What happens within minutes after a job: passports, a signed head, and the silos' signatures on it."""
    return everybody_signs_in(cohort.federation)


def everybody_signs_in(federation: Federation) -> PrivateKey:
    """The same without the people."""
    passports.issue_missing(issuing.signing_key())
    key = signed_head()
    for silo in federation.silos:
        countersign(federation, silo.silo.id)
    return key


def countersign(federation: Federation, silo_id: UUID) -> bytes:
    """A silo's signature on the newest head of the consortium's chain."""
    played = federation.played(silo_id)
    chain = chain_of(federation.consortium.id)
    head = Checkpoint.objects.filter(chain=chain).latest("position")
    document = sign(payload_unverified(bytes(head.document)), AuditCheckpoint.payload_type, played.identity)
    accept_countersignature(document=document, by=played.silo)
    return document


def report_of(job: Job) -> Report:
    """What the job's bundle comes to as it is now."""
    return verify_evidence(gather(read_bundle(bundle_of(job))))


def codes(report: Report) -> set[str]:
    """What is wrong."""
    return {fault.code for fault in report.faults}


def download(user: User, job: Job) -> bytes:
    """The bundle as one downloads it."""
    client = APIClient()
    client.force_authenticate(user)
    client.force_login(user)
    answer = client.get(f"/api/v1/jobs/{job.id}/evidence/")
    assert answer.status_code == 200, answer.content
    return bytes(answer.getvalue())


def test_the_bundle_of_a_job_holds_and_names_its_models(cohort: Cohort) -> None:
    other = run_job(cohort, name="A job of which nothing is told")
    job = run_job(cohort)
    key = everybody_signs(cohort)
    bundle = download(cohort.administrator, job)
    evidence = gather(read_bundle(bundle.splitlines(keepends=True)))
    report = verify_evidence(evidence, key.public.fingerprint)
    assert report.holds, (report.faults, report.limits)
    assert report.ended == "completed"
    assert report.checked["orders"] == report.checked["answers"] == Order.objects.filter(step__round__job=job).count()
    assert report.checked["events of the job"] == Event.objects.filter(job_id=job.id).count()
    assert report.checked["rounds"] == job.rounds_planned + 1
    document = b"".join(entry.content for entry in read_bundle(bundle.splitlines(keepends=True)))
    assert not [word for word in (other.name, str(other.id)) if word.encode() in document]
    assert job.agreement is not None
    assert report.agreement == job.agreement.digest
    assert job.model is not None
    assert {version.digest for version in job.model.versions.all()} == set(report.models)


def test_what_silos_have_countersigned_is_in_the_bundle_and_must_lie_on_its_chain(cohort: Cohort) -> None:
    job = run_job(cohort)
    passports.issue_missing(issuing.signing_key())
    key = signed_head()
    played = cohort.federation.played(cohort.silo.id)
    head = Checkpoint.objects.get(chain=chain_of(job.consortium_id))
    document = countersign(cohort.federation, cohort.silo.id)
    cancelled = launch(
        consortium=cohort.federation.consortium, request=cohort.federation.request(), by=cohort.scientist
    )
    assert cancelled
    signed_head()  # the record goes on, and the silo enrols again, with another key
    newer = Checkpoint.objects.filter(chain=head.chain).latest("position")
    payload = payload_unverified(bytes(newer.document))
    Countersignature.objects.create(
        checkpoint=newer,
        silo_id=played.silo.id,
        document=sign(payload, AuditCheckpoint.payload_type, PrivateKey.generate()),
        at=now(),
    )
    evidence = gather(read_bundle(download(cohort.administrator, job).splitlines(keepends=True)))
    assert evidence.countersigned == {str(played.silo.id): document}
    report = verify_evidence(evidence, key.public.fingerprint)
    assert (report.faults, [limit.code for limit in report.limits]) == ([], ["evidence.not_countersigned"])
    evidence.events[0] = replace(evidence.events[0], record=b"{}")
    other = AuditCheckpoint(chain=head.chain, position=1, digest="f" * 64, made_at=now())
    evidence.countersigned[str(played.silo.id)] = sign_document(other, played.identity)
    assert {"event.not_in_log", "checkpoint.rewritten"} <= codes(verify_evidence(evidence))


def test_a_refusal_is_evidence_too(cohort: Cohort) -> None:
    federation = cohort.federation
    job = launch(consortium=federation.consortium, request=federation.request(), by=cohort.scientist)
    start.start(job_id=job.id, by=federation.silos[0].silo)
    order = Order.objects.filter(step__round__job=job, state__in=OUTSTANDING)[0]
    played = federation.played(order.silo_id)
    answers.answer(document=played.refuse(order), by=played.silo)
    everybody_signs(cohort)
    evidence = gather(read_bundle(download(cohort.administrator, job).splitlines(keepends=True)))
    report = verify_evidence(evidence)
    assert (report.faults, [limit.code for limit in report.limits]) == ([], ["evidence.job_goes_on"])
    assert list(evidence.answers) == [str(order.id)]


def test_what_came_after_the_signed_head_is_in_a_later_bundle(cohort: Cohort) -> None:
    """An answer and a round that no signed head has yet would be documents without their events."""
    job = run_job(cohort, rounds_answered=1)
    signed_head()
    order = Order.objects.filter(step__round__job=job, state__in=OUTSTANDING)[0]
    played = cohort.federation.played(order.silo_id)
    answers.answer(document=played.refuse(order), by=played.silo)
    report = report_of(job)
    assert not report.faults
    before = report.checked["answers"]
    signed_head()
    report = report_of(job)
    assert (codes(report), report.checked["answers"]) == (set(), before + 1)


def test_a_round_that_was_abandoned_is_in_the_evidence_as_what_it_was(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    control.cancel(job=job, by=cohort.scientist)
    everybody_signs(cohort)
    report = report_of(job)
    assert (report.faults, [limit.code for limit in report.limits]) == ([], ["evidence.model_untried"])
    assert (report.ended, report.checked["rounds"]) == ("cancelled", 1)


def test_an_order_that_was_recalled_is_in_the_evidence_as_what_it_was(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    Silo.objects.filter(id=cohort.federation.silos[0].silo.id).update(state=Silo.State.REVOKED)
    assert recall_orders.call_back(by=cohort.scientist) == 1
    (recalled,) = Event.objects.filter(job_id=job.id, verb="order.recalled")
    order = Order.objects.get(step__round__job=job, state="cancelled")
    assert recalled.detail["evidence"] == {"order": str(order.id)}
    control.cancel(job=job, by=cohort.scientist)
    everybody_signs(cohort)
    assert report_of(job).faults == []


def test_a_job_that_began_before_its_events_were_numbered_is_limited_evidence(cohort: Cohort) -> None:
    """Under the platform of protocol 1.0, whose manifest says so: nothing shows that none is left out."""
    federation = cohort.federation
    job = launch(consortium=federation.consortium, request=federation.request(), by=cohort.scientist)
    JobEvents.objects.create(job_id=job.id)
    start.start(job_id=job.id, by=federation.silos[0].silo)
    signed_head()
    job.refresh_from_db()
    assert "event.left_out" in codes(report_of(job)), "a platform that writes 1.1 numbers them"
    old = read(Manifest, payload_unverified(bytes(job.manifest or b"")))
    Job.objects.filter(id=job.id).update(manifest=sealed_as_1_0(old, issuing.signing_key()))
    job.refresh_from_db()
    report = report_of(job)
    assert [limit.code for limit in report.limits] == ["evidence.protocol_1_0"]
    assert codes(report) - {"order.other_manifest"} == {"evidence.downgraded"}, "its agreement is of 1.1"


def test_what_the_platform_changes_in_its_database_no_longer_fits_its_log(cohort: Cohort) -> None:
    """An invented last model, a round left out, a passport taken back: with the platform's own key and rows."""
    job = run_job(cohort)
    everybody_signs(cohort)
    last = Passport.objects.filter(version__model__jobs=job).latest("version__round_number")
    key = issuing.signing_key()
    digest, statement = open_passport(bytes(last.document), [key.public])
    invented = sign_passport("sha256:" + "f" * 64, statement, key)
    Passport.objects.filter(pk=last.pk).update(document=invented)
    assert {"passport.not_in_log", "passport.other_model", "passport.left_out"} <= codes(report_of(job))
    Passport.objects.filter(pk=last.pk).update(document=sign_passport(digest, statement, key))
    order = Order.objects.filter(step__round__job=job).latest("number")
    order.submission.delete()
    assert {"answer.left_out", "passport.other_evaluation"} <= codes(report_of(job))
    Passport.objects.filter(pk=last.pk).delete()
    assert "passport.left_out" in codes(report_of(job))


def test_a_job_that_no_signed_head_has_yet_has_no_evidence_yet(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    client = APIClient()
    client.force_login(cohort.administrator)
    answer = client.get(f"/api/v1/jobs/{job.id}/evidence/")
    assert (answer.status_code, json.loads(answer.content)["code"]) == (409, "evidence.not_yet")


def test_a_rewritten_answer_is_found(cohort: Cohort) -> None:
    job = run_job(cohort)
    signed_head()
    order = Order.objects.filter(step__round__job=job).latest("number")
    other = Order.objects.filter(step__round__job=job).exclude(pk=order.pk).latest("number")
    type(order.submission).objects.filter(order=order).update(document=bytes(other.submission.document))
    report = verify_evidence(gather(read_bundle(download(cohort.administrator, job).splitlines(keepends=True))))
    assert f"answer to order {order.id}" in {fault.where for fault in report.faults}


def test_the_bundle_of_a_job_with_code_has_what_every_organisation_signed_of_it(cohort: Cohort) -> None:
    federation = cohort.federation
    plan = uploaded(federation.consortium, cohort.scientist)
    agree_on(federation, SOURCE)
    review_everywhere(federation)
    review_everywhere(federation, CHANGED)
    job = run_job(cohort, plan=plan.digest, model=None)
    refused = federation.silos[0]
    accept_review(envelope=sealed_review(refused, verdict="refused"), by=refused.silo, via=Via.CONNECTOR)
    everybody_signs(cohort)
    evidence = gather(read_bundle(bundle_of(job)))
    report = verify_evidence(evidence)
    assert report.holds, (report.faults, report.limits)
    assert (report.checked["code reviews"], list(evidence.reviews)) == (4, ["1", "2", "3", "4"])
    SignedReview.objects.filter(organisation=refused.silo.organisation, verdict="approved").delete()
    report = verify_evidence(gather(read_bundle(bundle_of(job))))
    assert [(fault.where, fault.code) for fault in report.faults] == [("code", "review.missing")]
    assert refused.silo.organisation.name in report.faults[0].what


def test_who_may_not_read_the_audit_log_does_not_get_it(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    client = APIClient()
    for user, status in ((cohort.outsider, 404), (cohort.nobody, 404), (cohort.scientist, 403), (cohort.it, 403)):
        client.force_login(user)
        assert client.get(f"/api/v1/jobs/{job.id}/evidence/").status_code == status
    client.logout()
    assert client.get(f"/api/v1/jobs/{job.id}/evidence/").status_code == 401


def test_a_job_that_never_began_has_none(cohort: Cohort) -> None:
    federation = cohort.federation
    job = launch(consortium=federation.consortium, request=federation.request(), by=cohort.scientist)
    client = APIClient()
    client.force_login(cohort.administrator)
    answer = client.get(f"/api/v1/jobs/{job.id}/evidence/")
    assert (answer.status_code, json.loads(answer.content)["code"]) == (409, "evidence.none")


def test_heads_are_signed_once_and_only_when_they_moved(cohort: Cohort) -> None:
    signed_head()
    count = Checkpoint.objects.count()
    assert count >= 2
    signed_head()
    assert Checkpoint.objects.count() == count
    keys = load_public(settings.PLATFORM_PUBLIC_KEY_FILE)
    assert keys[0] == issuing.signing_key().public
    assert cohort


WITHOUT_NETWORK = TrainingLimits(
    tasks=("train", "evaluate"),
    families=("logistic",),
    parameters_max=10**9,
    rounds_max=10,
    update_norm_l2_max=1e4,
    trainer_network="forbidden",
)
BEYOND: dict[str, dict[str, Any]] = {
    "answer.not_agreed": {"evaluation": {"rows": 10, "figures": {"loss": 0.25, "accuracy": 0.5, "auc": 0.625}}},
    "answer.small_cell": {"evaluation": {"rows": 4, "figures": {"loss": 0.25, "accuracy": 0.625}}},
    "answer.figures": {"evaluation": {"rows": 10, "figures": {"loss": 0.25, "accuracy": 1.5}}},
    "update.norm_exceeded": {"training": {"rows": 10, "steps": 1, "loss": 0.5, "update_norm_l2": 1e6}},
    "update.weight": {"rows": 305},
    "agreement.trainer_network": {"environment": Environment(connector_version="test", network="allowed")},
}


UNEVEN = (
    {"rows": 10, "figures": {"loss": 0.25, "accuracy": 0.5}},
    {"rows": 20, "figures": {"loss": 200.0, "accuracy": 0.75}},
    {"rows": 300, "figures": {"loss": -5.0, "accuracy": 1.0}},
)
"""One organisation beyond its share, and losses that no model has: passports and verification combine them alike."""


@pytest.mark.parametrize("code", BEYOND)
def test_no_silo_spoils_a_job_s_evidence_by_one_answer(blob_root: Path, code: str) -> None:
    """The platform counts nothing that its own verifier faults, and keeps nothing that was not agreed."""
    federation = make_federation(agreed=False)
    federation.agree(
        disclosure=DisclosureTerms(metrics=("loss", "accuracy"), minimum_cell=5), training_limits=WITHOUT_NETWORK
    )
    job = launch(consortium=federation.consortium, request=federation.request(), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    spoilt: list[Order] = []
    while orders := list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING).order_by("silo_id")):
        for order in every(orders):
            played = federation.played(order.silo_id)
            says: dict[str, Any] = {"environment": Environment(connector_version="test", network="none")}
            says["evaluation"] = UNEVEN[federation.silos.index(played)]
            if not spoilt:
                says |= BEYOND[code]
                spoilt.append(order)
                document = played.train(order, 9.0, **says)
                taken = answers.answer(document=document, by=played.silo)
                assert (taken.state, taken.code) == (OrderState.REJECTED, code)
                assert answers.answer(document=document, by=played.silo) == taken, "sent again"
            else:
                answers.answer(document=played.train(order, 1.0, **says), by=played.silo)
        closing.close_step(step_id=orders[0].round_step.id, by=TEST)
    (order,) = Order.objects.filter(step__round__job=job, state=OrderState.REJECTED)
    assert (order, order.code) == (spoilt[0], code)
    assert not Submission.objects.filter(order=order).exists()
    assert not Evaluation.objects.filter(order=order).exists()
    events = json.dumps(
        [order.message, order.params, *Event.objects.filter(job_id=job.id).values_list("detail", flat=True)]
    )
    assert "0.625" not in events
    everybody_signs_in(federation)
    job.refresh_from_db()
    report = report_of(job)
    assert (report.holds, report.faults, report.limits) == (True, [], [])
    assert report.checked["answers rejected and not kept"] == 1
