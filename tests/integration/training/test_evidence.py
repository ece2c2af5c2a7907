"""A job's bundle: whoever may read the record downloads it, and it holds without the platform."""

from __future__ import annotations

import json

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from accounts.models import User
from audit import checkpoints, sequencing
from audit.models import Checkpoint, Countersignature
from federation.evidence.bundles import read_bundle
from federation.evidence.reading import gather
from federation.evidence.verification import verify_evidence
from federation.protocol.chains import chain_of
from federation.protocol.documents import AuditCheckpoint, now, seal
from federation.protocol.envelope import peek, sign
from federation.protocol.keys import PrivateKey, load_public
from plans.actions import take_review
from plans.models import SignedReview, Via
from tests.support.cohort import Cohort, make_cohort, run_job
from tests.support.plans import CHANGED, SOURCE, agree_on, review_everywhere, sealed_review, uploaded
from training import checkpointing, issuing
from training.actions import answers, launch, start
from training.evidence import bundle_of
from training.models import Job, Order
from training.transitions import OUTSTANDING

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort() -> Cohort:
    """Everybody, with an agreement in force."""
    return make_cohort()


def signed_head() -> PrivateKey:
    """What the worker does every minute."""
    sequencing.chain_new()
    checkpoints.sign_heads(issuing.signing_key())
    return issuing.signing_key()


def download(user: User, job: Job) -> bytes:
    """The bundle as one downloads it."""
    client = APIClient()
    client.force_authenticate(user)
    client.force_login(user)
    answer = client.get(f"/api/v1/jobs/{job.id}/evidence/")
    assert answer.status_code == 200, answer.content
    return bytes(answer.getvalue())


def test_the_bundle_of_a_job_holds_and_names_its_models(cohort: Cohort) -> None:
    job = run_job(cohort)
    key = signed_head()
    evidence = gather(read_bundle(download(cohort.administrator, job).splitlines(keepends=True)))
    report = verify_evidence(evidence, key.public.fingerprint)
    assert report.holds, report.faults
    assert report.checked["orders"] == report.checked["answers"] == Order.objects.filter(step__round__job=job).count()
    assert report.checked["audit records"] == Checkpoint.objects.latest("position").position or report.checked
    assert job.agreement is not None
    assert report.agreement == job.agreement.digest
    assert job.model is not None
    assert {version.digest for version in job.model.versions.all()} == set(report.models)


def test_what_silos_have_countersigned_is_in_the_bundle_and_must_lie_on_its_chain(cohort: Cohort) -> None:
    job = run_job(cohort)
    key = signed_head()
    played = cohort.federation.played(cohort.silo.id)
    head = Checkpoint.objects.get(chain=chain_of(job.consortium_id))
    document = sign(peek(bytes(head.document)), AuditCheckpoint.payload_type, played.identity)
    checkpointing.take_countersignature(document=document, by=played.silo)
    cancelled = launch.launch(
        consortium=cohort.federation.consortium, request=cohort.federation.request(), by=cohort.scientist
    )
    assert cancelled
    signed_head()  # the record goes on, and the silo enrols anew, with another key
    newer = Checkpoint.objects.filter(chain=head.chain).latest("position")
    payload = peek(bytes(newer.document))
    Countersignature.objects.create(
        checkpoint=newer,
        silo_id=played.silo.id,
        document=sign(payload, AuditCheckpoint.payload_type, PrivateKey.generate()),
        at=now(),
    )
    evidence = gather(read_bundle(download(cohort.administrator, job).splitlines(keepends=True)))
    assert evidence.countersigned == {str(played.silo.id): document}
    assert verify_evidence(evidence, key.public.fingerprint).holds
    evidence.links[0] = (1, b"{}", evidence.links[0][2])
    other = AuditCheckpoint(chain=head.chain, position=1, digest="f" * 64, made_at=now())
    evidence.countersigned[str(played.silo.id)] = seal(other, played.identity)
    assert {"chain.digest", "checkpoint.rewritten"} <= {fault.code for fault in verify_evidence(evidence).faults}


def test_a_refusal_is_evidence_too(cohort: Cohort) -> None:
    federation = cohort.federation
    job = launch.launch(consortium=federation.consortium, request=federation.request(), by=cohort.scientist)
    start.start(job_id=job.id, by=federation.silos[0].silo)
    order = Order.objects.filter(step__round__job=job, state__in=OUTSTANDING)[0]
    played = federation.played(order.silo_id)
    answers.answer(document=played.refuse(order), by=played.silo)
    signed_head()
    evidence = gather(read_bundle(download(cohort.administrator, job).splitlines(keepends=True)))
    report = verify_evidence(evidence)
    assert report.holds, report.faults
    assert list(evidence.answers) == [str(order.id)]


def test_a_rewritten_answer_is_found(cohort: Cohort) -> None:
    job = run_job(cohort)
    signed_head()
    order = Order.objects.filter(step__round__job=job).latest("number")
    other = Order.objects.filter(step__round__job=job).exclude(pk=order.pk).latest("number")
    type(order.submission).objects.filter(order=order).update(document=bytes(other.submission.document))
    report = verify_evidence(gather(read_bundle(download(cohort.administrator, job).splitlines(keepends=True))))
    assert f"answer to order {order.id}" in {fault.where for fault in report.faults}


def test_the_bundle_of_a_job_with_code_has_what_every_house_signed_of_it(cohort: Cohort) -> None:
    federation = cohort.federation
    plan = uploaded(federation.consortium, cohort.scientist)
    agree_on(federation, SOURCE)
    review_everywhere(federation)
    review_everywhere(federation, CHANGED)
    job = run_job(cohort, plan=plan.digest, model=None)
    refused = federation.silos[0]
    take_review(envelope=sealed_review(refused, verdict="refused"), by=refused.silo, via=Via.CONNECTOR)
    signed_head()
    evidence = gather(read_bundle(bundle_of(job)))
    report = verify_evidence(evidence)
    assert report.holds, report.faults
    assert (report.checked["code reviews"], list(evidence.reviews)) == (4, ["1", "2", "3", "4"])
    SignedReview.objects.filter(organisation=refused.silo.organisation, verdict="approved").delete()
    report = verify_evidence(gather(read_bundle(bundle_of(job))))
    assert [(fault.where, fault.code) for fault in report.faults] == [("code", "review.missing")]
    assert refused.silo.organisation.name in report.faults[0].what


def test_who_may_not_read_the_record_does_not_get_it(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    client = APIClient()
    for user, status in ((cohort.outsider, 404), (cohort.nobody, 404), (cohort.scientist, 403), (cohort.it, 403)):
        client.force_login(user)
        assert client.get(f"/api/v1/jobs/{job.id}/evidence/").status_code == status
    client.logout()
    assert client.get(f"/api/v1/jobs/{job.id}/evidence/").status_code == 401


def test_a_job_that_never_began_has_none(cohort: Cohort) -> None:
    federation = cohort.federation
    job = launch.launch(consortium=federation.consortium, request=federation.request(), by=cohort.scientist)
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
