"""Jobs run under the agreement: who may join is reported before, refused at launch, and stops when the agreement
does.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.html import escape

from accounts.actions import grant_role
from accounts.models import User
from accounts.permissions import Role
from agreements.actions import drafting, lifecycle, suspension
from agreements.actions.signing import accept_signature
from agreements.models import Via
from agreements.selectors import complete_envelope, document_of
from federation.agreements.decisions import AgreementStatus, SiloContext, SiloFacts, authorize
from federation.agreements.rules import RULES
from federation.agreements.signing import open_agreement, sign
from federation.errors import Invalid
from federation.protocol.documents import AmendmentTerms, Cohort, CoveredDataset, Manifest, Purpose, UseConditions, read
from federation.protocol.envelope import payload_unverified
from silos import datasets
from tests.support.cohort import browser
from tests.support.every import every
from tests.support.federation import TEST, Federation, make_federation
from tests.support.world import person
from training.engine import answers, control, start
from training.engine.closing import close_step
from training.engine.long_poll import fetch_deliverable_orders
from training.engine.rounds import reopen
from training.launch.actions import launch
from training.launch.quotes import quote
from training.models import Job, Order
from training.transitions import OUTSTANDING, JobState

pytestmark = pytest.mark.django_db
HEART = UseConditions(permission="DS", diseases=("ICD-10:I25",))
INSIDE = {"category": "disease", "diseases": ["ICD-10:I25.1"]}
OUTSIDE = {"category": "disease", "diseases": ["ICD-10:C34"]}


def agreed(**changes: Any) -> Federation:
    """Three silos under such terms."""
    federation = make_federation(agreed=False)
    federation.agree(**changes)
    return federation


def launched(federation: Federation, **changes: Any) -> Job:
    """A job that has started."""
    job = launch(consortium=federation.consortium, request=federation.request(**changes), by=federation.scientist)
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def answer_all(federation: Federation, job: Job) -> Job:
    """Every silo answers its open order, and the round closes."""
    orders = list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING))
    for order in orders:
        played = federation.played(order.silo_id)
        answers.answer(document=played.train(order, 0.5), by=played.silo)
    close_step(step_id=orders[0].round_step.id, by=TEST)
    job.refresh_from_db()
    return job


def steward_of(federation: Federation, index: int) -> User:
    """The steward of one of the organisations."""
    user = person(f"steward-{index}")
    grant_role(user=user, organisation=federation.silos[index].silo.organisation, role=Role.STEWARD, by=TEST)
    return user


def amend(federation: Federation, **changes: Any) -> None:
    """Bring the next version into force, with other terms."""
    consortium, by = federation.consortium, federation.administrator
    before = open_agreement(complete_envelope(consortium.agreement_versions.get(state="in_force")))
    terms = before.agreement.terms.model_copy(update=changes)
    version = drafting.draft(consortium=consortium, terms=terms, by=by)
    version = lifecycle.open_signing(version=lifecycle.propose(version=version, by=by), by=by)
    for played in federation.silos:
        signed = sign(document_of(version), played.signatory)
        version = accept_signature(envelope=signed, by=played.silo, via=Via.CONNECTOR).version
    assert version.state == "in_force"


def test_a_job_without_an_agreement_is_refused() -> None:
    federation = make_federation(agreed=False)
    with pytest.raises(Invalid) as caught:
        launched(federation)
    assert caught.value.code == "agreement.missing"
    assert set(caught.value.fields) == {"datasets.0", "datasets.1", "datasets.2"}
    assert not Job.objects.exists()


def test_a_purpose_outside_the_agreement_is_reported_by_the_quote_and_refused_at_launch() -> None:
    federation = agreed(purposes=HEART)
    inside = quote(consortium=federation.consortium, request=federation.request(use=INSIDE), by=federation.scientist)
    assert inside.refused == ()
    outside = quote(consortium=federation.consortium, request=federation.request(use=OUTSIDE), by=federation.scientist)
    assert [(one.code, one.clause) for one in outside.refused] == [("agreement.purpose", "purposes")] * 3
    with pytest.raises(Invalid) as caught:
        launched(federation, use=OUTSIDE)
    assert caught.value.code == "agreement.purpose"
    assert launched(federation, use=INSIDE).state == JobState.RUNNING


def test_one_data_set_with_conditions_of_its_own_is_named() -> None:
    federation = make_federation(agreed=False)
    first, *rest = federation.silos
    assert first.dataset is not None
    covered = [
        CoveredDataset(signatory_key=played.signatory.public.encoded, dataset=first.dataset.name) for played in rest
    ]
    strict = CoveredDataset(
        signatory_key=first.signatory.public.encoded,
        dataset=first.dataset.name,
        use=UseConditions(permission="NRES", modifiers=("NCU",)),
    )
    federation.agree(datasets=[strict, *covered])
    with pytest.raises(Invalid) as caught:
        launched(federation, use={"category": "health", "commercial": True})
    assert set(caught.value.fields) == {"datasets.0"}
    assert first.silo.name in caught.value.fields["datasets.0"][0]
    others = [str(played.dataset.id) for played in rest if played.dataset]
    assert launched(federation, use={"category": "health", "commercial": True}, datasets=others).state == "running"


def test_the_manifest_carries_the_agreement_the_purpose_and_the_silos_certificates() -> None:
    federation = agreed(purposes=HEART)
    job = launched(federation, use=INSIDE)
    manifest = read(Manifest, payload_unverified(bytes(job.manifest or b"")))
    assert job.agreement is not None
    assert manifest.agreement_digest == job.agreement.digest
    assert manifest.use == Purpose.model_validate(INSIDE)
    found = fetch_deliverable_orders(federation.silos[0].silo, [])
    assert found.orders[0].agreement is not None
    opened = open_agreement(found.orders[0].agreement)
    assert opened.complete
    assert opened.digest == manifest.agreement_digest
    assert all(member.certificate for member in manifest.cohort)


def test_the_trainers_answer_is_the_platforms() -> None:
    """What the platform has launched, the same function allows with what the trainer is given."""
    federation = agreed(purposes=HEART, cohort=Cohort(minimum_participants=2, minimum_rows=100))
    job = launched(federation, use=INSIDE)
    found = fetch_deliverable_orders(federation.silos[1].silo, []).orders[0]
    manifest = read(Manifest, payload_unverified(found.manifest))
    opened = open_agreement(found.agreement or b"")
    mine = manifest.cohort[1]
    status_ = AgreementStatus(opened.agreement, opened.digest, opened.signed_by, opened.digest)
    place = SiloContext(mine.signatory_key, mine.dataset, SiloFacts(rows_coarse=300))
    assert authorize(status_, manifest, None, place, manifest.created_at) is None
    assert job.state == JobState.RUNNING


def test_a_member_that_suspends_gets_no_more_orders_and_the_job_waits_for_its_quorum() -> None:
    federation = agreed()
    steward = steward_of(federation, 0)
    job = launched(federation, quorum=3)
    version = job.agreement
    assert version is not None
    member_organisation = federation.silos[0].silo.organisation
    suspension.suspend(
        consortium=federation.consortium, organisation=member_organisation, reason="A question of consent.", by=steward
    )
    with pytest.raises(Invalid) as caught:
        launched(federation)
    assert caught.value.code == "agreement.suspended"
    job = answer_all(federation, job)
    assert (job.state, job.reason_code) == (JobState.PAUSED, "agreement.suspended")
    suspension.lift(consortium=federation.consortium, organisation=member_organisation, by=steward)
    control.resume(job=job, by=federation.scientist)
    reopen(job_id=job.id, by=TEST)
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_the_others_go_on_where_the_quorum_holds_without_who_suspends() -> None:
    federation = agreed()
    job = launched(federation, quorum=2)
    assert job.agreement is not None
    first = federation.silos[0].silo
    suspension.suspend(
        consortium=federation.consortium,
        organisation=first.organisation,
        reason="Audit.",
        by=steward_of(federation, 0),
    )
    job = answer_all(federation, job)
    asked = set(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING).values_list("silo_id", flat=True))
    assert asked == {played.silo.id for played in federation.silos[1:]}


@pytest.mark.parametrize(
    ("said", "state", "code"), [("stop", "cancelled", "agreement.superseded"), ("continue", "running", "")]
)
def test_jobs_of_a_version_that_is_superseded_stop_or_go_on_as_it_says(said: Any, state: str, code: str) -> None:
    federation = agreed(amendment=AmendmentTerms(running_jobs=said))
    job = launched(federation, quorum=3)
    amend(federation, notes="Otherwise the same.")
    job = answer_all(federation, job)
    assert (job.state, job.reason_code) == (state, code)


def test_a_terminated_agreement_ends_its_jobs_at_their_next_round() -> None:
    federation = agreed()
    job = launched(federation)
    assert job.agreement is not None
    suspension.terminate(version=job.agreement, reason="The study is over.", by=federation.administrator)
    job = answer_all(federation, job)
    assert (job.state, job.reason_code) == (JobState.CANCELLED, "agreement.expired")


def queued(federation: Federation, **changes: Any) -> Job:
    """A job that was launched, and that no worker has come to yet."""
    request = federation.request(**changes)
    return launch(consortium=federation.consortium, request=request, by=federation.scientist)


def started(job: Job) -> Job:
    """What becomes of it when a worker does."""
    start.start(job_id=job.id, by=TEST)
    job.refresh_from_db()
    return job


def ended(federation: Federation, how: str) -> None:
    """The agreement is at its end, in one of the ways that there are."""
    version = federation.consortium.agreement_versions.get(state="in_force")
    if how == "terminated":
        suspension.terminate(version=version, reason="The study is over.", by=federation.administrator)
    elif how == "expired":
        version.not_after = timezone.now() - timedelta(hours=1)
        version.save(update_fields=["not_after"])
    else:
        amend(federation, notes="Otherwise the same.")


@pytest.mark.parametrize(
    ("how", "running_jobs", "state", "code"),
    [
        ("terminated", "stop", JobState.CANCELLED, "agreement.expired"),
        ("expired", "stop", JobState.CANCELLED, "agreement.expired"),
        ("superseded", "stop", JobState.CANCELLED, "agreement.superseded"),
        ("superseded", "continue", JobState.FAILED, "agreement.superseded"),
    ],
)
def test_a_job_does_not_start_once_its_agreement_has_ended(
    how: str, running_jobs: Any, state: JobState, code: str
) -> None:
    """Jobs that run may go on under the old version; one that has not begun is refused by every silo."""
    federation = agreed(amendment=AmendmentTerms(running_jobs=running_jobs))
    job = queued(federation)
    ended(federation, how)
    job = started(job)
    assert (job.state, job.reason_code) == (state, code)
    assert (job.started_at, job.manifest, job.model) == (None, None, None)
    assert not Order.objects.exists()
    page = browser(federation.scientist).get(f"/jobs/{job.id}/").content.decode()
    assert code in page
    assert escape(RULES[code].meaning) in page


def test_a_job_whose_agreement_is_suspended_before_it_starts_waits_without_an_order() -> None:
    federation = agreed()
    job, member_organisation = queued(federation, quorum=3), federation.silos[0].silo.organisation
    steward = steward_of(federation, 0)
    suspension.suspend(
        consortium=federation.consortium, organisation=member_organisation, reason="A question.", by=steward
    )
    job = started(job)
    assert (job.state, job.reason_code) == (JobState.PAUSED, "agreement.suspended")
    assert not Order.objects.exists()
    page = browser(federation.scientist).get(f"/jobs/{job.id}/").content.decode()
    assert escape(RULES["agreement.suspended"].meaning) in page
    suspension.lift(consortium=federation.consortium, organisation=member_organisation, by=steward)
    control.resume(job=job, by=federation.scientist)
    reopen(job_id=job.id, by=TEST)
    assert Order.objects.count() == 3


def test_what_a_job_is_for_is_judged_again_by_the_day_on_which_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data that may be used until a day are not asked for after it."""
    last = timezone.now().date()
    federation = agreed(purposes=UseConditions(permission="GRU", modifiers=("TS",), until=last))
    job = queued(federation, use={"category": "general_research"})
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr(timezone, "now", lambda: tomorrow)
    job = started(job)
    assert (job.state, job.reason_code) == (JobState.FAILED, "agreement.purpose")
    assert not Order.objects.exists()


@pytest.mark.parametrize(
    ("gone", "state", "code"), [(1, JobState.RUNNING, ""), (2, JobState.FAILED, "dataset.unknown")]
)
def test_a_job_starts_without_data_that_were_withdrawn_meanwhile_while_the_quorum_holds(
    gone: int, state: JobState, code: str
) -> None:
    federation = agreed(cohort=Cohort(minimum_participants=1))
    job = queued(federation, quorum=2)
    for played in every(federation.silos[:gone]):
        assert played.dataset is not None
        datasets.withdraw(dataset=played.dataset, by=TEST)
    job = started(job)
    assert (job.state, job.reason_code) == (state, code)
    assert Order.objects.exists() == (not code)


def test_a_job_does_not_start_on_data_that_differ_since_its_launch() -> None:
    federation = agreed()
    job = queued(federation)
    dataset = federation.silos[0].dataset
    assert dataset is not None
    declared = dataset.declaration
    declared["split"]["seed"] += 1
    type(dataset).objects.filter(pk=dataset.pk).update(schema_digest="sha256:" + "0" * 64, declaration=declared)
    job = started(job)
    assert (job.state, job.reason_code) == (JobState.FAILED, "dataset.schemas_differ")
    assert not Order.objects.exists()


def test_fewer_participants_than_the_agreement_requires_are_refused() -> None:
    federation = agreed(cohort=Cohort(minimum_participants=3))
    two = [str(played.dataset.id) for played in federation.silos[:2] if played.dataset]
    for changes in ({"datasets": two, "quorum": 2}, {"quorum": 2}):
        with pytest.raises(Invalid) as caught:
            launched(federation, **changes)
        assert caught.value.code == "agreement.minimum_participants"
