"""Models' passports: signed once it is known how the weights did, and true of the job's own evidence."""

from __future__ import annotations

import json

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from audit import chaining, checkpoints
from evidence import passports
from evidence.bundles import bundle_of
from federation.evidence.bundle_parser import gather
from federation.evidence.bundles import read_bundle
from federation.evidence.passports import Passport, open_passport
from federation.evidence.verification import verify_evidence
from registry import models as registry
from registry.models import ModelVersion
from tests.support.cohort import Cohort, last_version, make_cohort, model_of, run_job
from tests.support.federation import TEST
from training.engine import control, issuing
from training.models import Order
from training.transitions import OrderState

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort() -> Cohort:
    """Everybody, with an agreement in force."""
    return make_cohort()


def passport_of(version: ModelVersion) -> Passport:
    """What is signed of a version; that it is signed is seen."""
    digest, passport = open_passport(bytes(version.passport.document), [issuing.signing_key().public])
    assert digest == version.digest
    return passport


def test_every_version_that_was_tried_gets_one_and_it_says_whose_answers_made_it(cohort: Cohort) -> None:
    job = run_job(cohort)
    versions = list(model_of(job).versions.order_by("round_number"))
    assert passports.issue_missing(issuing.signing_key()) == len(versions) > 1
    assert passports.issue_missing(issuing.signing_key()) == 0
    first, last = passport_of(versions[0]), passport_of(versions[-1])
    assert (first.round, first.participants, first.base_digest) == (0, (), None)
    assert (last.round, last.manifest_digest) == (versions[-1].round_number, job.manifest_digest)
    assert job.agreement is not None
    assert last.agreement_digest == job.agreement.digest
    assert last.base_digest == versions[-2].digest
    assert last.evaluation.accuracy == versions[-1].metrics["accuracy"]
    applied = Order.objects.filter(step__round__job=job, step__round__number=last.round, state=OrderState.APPLIED)
    assert {one.order_id for one in last.participants} == set(applied.values_list("id", flat=True))
    assert {one.organisation for one in last.participants} == {
        played.silo.organisation.name for played in cohort.federation.silos
    }


def test_the_bundle_carries_them_and_they_fit_it(cohort: Cohort) -> None:
    job = run_job(cohort)
    key = issuing.signing_key()
    passports.issue_missing(key)
    chaining.chain_new()
    checkpoints.sign_heads(key)
    report = verify_evidence(gather(read_bundle(bundle_of(job))), key.public.fingerprint)
    assert not report.faults, report.faults
    assert set(report.passports) == set(model_of(job).versions.values_list("digest", flat=True))


def test_a_version_that_nobody_could_report_has_one_before_the_next(cohort: Cohort) -> None:
    job = run_job(cohort)
    type(job).objects.filter(pk=job.pk).update(state="running", ended_at=None)
    untold = model_of(job).versions.get(round_number=1)
    ModelVersion.objects.filter(pk=untold.pk).update(metrics={})
    passports.issue_missing(issuing.signing_key())
    assert passport_of(ModelVersion.objects.get(pk=untold.pk)).evaluation.silos == 0
    assert registry.Passport.objects.count() == model_of(job).versions.count()


def test_who_is_called_otherwise_later_is_called_as_in_the_manifest(cohort: Cohort) -> None:
    job = run_job(cohort)
    for played in cohort.federation.silos:
        type(played.silo).objects.filter(pk=played.silo.pk).update(name=f"New {played.silo.name}"[:60])
        type(played.silo.organisation).objects.filter(pk=played.silo.organisation_id).update(
            name=f"New {played.silo.organisation.name}"
        )
    key = issuing.signing_key()
    passports.issue_missing(key)
    chaining.chain_new()
    checkpoints.sign_heads(key)
    report = verify_evidence(gather(read_bundle(bundle_of(job))), key.public.fingerprint)
    assert not report.faults, report.faults


def test_a_version_that_nobody_has_tried_waits_until_its_job_has_ended(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    last = last_version(job)
    assert last.metrics == {}
    passports.issue_missing(issuing.signing_key())
    assert registry.Passport.objects.get().version.round_number == 0
    control.cancel(job=job, by=TEST)
    assert passports.issue_missing(issuing.signing_key()) == 1
    assert passport_of(last).evaluation.silos == 0


def test_who_sees_the_model_takes_its_passport(cohort: Cohort) -> None:
    job = run_job(cohort)
    version = last_version(job)
    address = f"/api/v1/model-versions/{version.id}/passport/"

    def ask(user: User) -> tuple[int, bytes]:
        client = APIClient()
        client.force_login(user)
        answer = client.get(address)
        return answer.status_code, answer.content

    status, reported = ask(cohort.scientist)
    assert (status, json.loads(reported)["code"]) == (409, "passport.not_yet")
    passports.issue_missing(issuing.signing_key())
    assert ask(cohort.scientist) == (200, bytes(registry.Passport.objects.get(version=version).document))
    assert ask(cohort.outsider)[0] == ask(cohort.nobody)[0] == 404
    assert APIClient().get(address).status_code == 401
    page = APIClient()
    page.force_login(cohort.scientist)
    assert address in page.get(f"/models/{version.model_id}/?round={version.round_number}").content.decode()
