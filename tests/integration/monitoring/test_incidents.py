"""Incidents: real refusals, rejections and revocations become notices for those whom they concern, once a day."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from django.conf import settings
from django.core import mail
from django.db import transaction
from django.utils import translation

from accounts.actions import grant_role
from accounts.permissions import Role
from audit.actions import record
from audit.models import Event
from consortia.actions import grant_consortium_role
from monitoring import actions, deliveries
from monitoring.models import Delivery, Kind, Notice
from monitoring.wording import subject_of
from silos import actions as silo_actions
from tests.support.cohort import Cohort, browser, run_job
from tests.support.every import every
from tests.support.federation import TEST
from tests.support.world import person
from training.engine import answers, closing
from training.models import Job, Order
from training.transitions import OUTSTANDING

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def caught_up(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    """E-mails are sent, and what happened while the cohort was made has been reported."""
    monkeypatch.setattr(settings, "EMAIL_CONFIGURED", True)
    actions.gather(by=TEST)
    Delivery.objects.all().delete()


def reported() -> dict[str, list[str]]:
    """What is reported now, by address."""
    mail.outbox.clear()
    actions.gather(by=TEST)
    deliveries.deliver_due(by=TEST)
    found: dict[str, list[str]] = {}
    for message in mail.outbox:
        found.setdefault(message.to[0], []).append(message.subject.removeprefix("[Consilience] "))
    return found


def answer(cohort: Cohort, job: Job, *, refusing: bool = False, delta: float = 0.5) -> None:
    """The first silo refuses, or sends this; the others send their updates. Then the round is closed."""
    orders = list(Order.objects.filter(step__round__job=job, state__in=OUTSTANDING))
    for order in orders:
        played = cohort.federation.played(order.silo_id)
        mine = played.silo == cohort.silo
        document = played.refuse(order) if mine and refusing else played.train(order, delta if mine else 0.5)
        answers.answer(document=document, by=played.silo)
    closing.close_step(step_id=orders[0].round_step.id, by=TEST)


def test_a_refusal_is_notified_to_the_launcher_and_the_silo_s_it_once_a_day(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=0, rounds=4)
    answer(cohort, job, refusing=True)
    subject = f"Incident: {cohort.silo.name} refused its order"
    assert reported() == {cohort.scientist.email: [subject], cohort.it.email: [subject]}
    text = mail.outbox[0].body
    for part in (f"round 1 of “{job.name}”", "The data can't be read. (data.unreadable)", f"/silos/{cohort.silo.id}/"):
        assert part in text
    answer(cohort, job, refusing=True)
    assert reported() == {}
    Notice.objects.filter(kind=Kind.ORDER_REFUSED).update(at=Event.objects.latest("id").at - timedelta(days=2))
    answer(cohort, job, refusing=True)
    assert set(reported()) == {cohort.scientist.email, cohort.it.email}


def test_a_rejected_update_is_notified_to_who_runs_the_consortium_too(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=0)
    answer(cohort, job, delta=np.nan)
    subject = f"Incident: an update of {cohort.silo.name} was rejected"
    assert reported() == {one.email: [subject] for one in (cohort.scientist, cohort.it, cohort.administrator)}
    assert "update.not_finite" in mail.outbox[0].body


def test_a_revocation_is_reported_in_the_organisation_and_nowhere_else(cohort: Cohort) -> None:
    silo_actions.revoke(silo=cohort.silo, by=cohort.administrator)
    subject = f"Incident: {cohort.silo.name} was revoked"
    assert reported() == {one.email: [subject] for one in (cohort.it, cohort.steward, cohort.administrator)}
    assert "Ada Admin has revoked" in mail.outbox[0].body


def test_an_audit_log_that_a_silo_contradicts_is_notified_to_those_who_watch_over_it(cohort: Cohort) -> None:
    auditor = person("auditor")
    grant_consortium_role(user=auditor, consortium=cohort.federation.consortium, role=Role.AUDITOR, by=TEST)
    with transaction.atomic():
        record(
            by=cohort.silo,
            verb="checkpoint.contradicted",
            subject=cohort.silo,
            consortium_id=cohort.federation.consortium.id,
            organisation_id=cohort.silo.organisation_id,
            detail={"position": 3, "code": "checkpoint.forked", "reason": "It was rewritten."},
        )
    subject = f"Incident: {cohort.silo.name} found the audit log changed"
    assert reported() == {one.email: [subject] for one in (auditor, cohort.it, cohort.administrator)}
    assert "did not countersign this platform" in mail.outbox[0].body
    assert "It was rewritten. (checkpoint.forked)" in mail.outbox[0].body


def test_everybody_chooses_and_reads_it_in_their_language(cohort: Cohort) -> None:
    mute = person("mute")
    grant_role(user=mute, organisation=cohort.silo.organisation, role=Role.SILO_IT, by=TEST)
    actions.choose(wanted=[kind for kind in Kind if kind != Kind.SILO_REVOKED], by=mute)
    silo_actions.revoke(silo=cohort.silo, by=cohort.administrator)
    assert mute.email not in reported()
    page = browser(cohort.it).get("/account/notifications/").content.decode()
    for kind in every(Kind):
        assert f'value="{kind.value}"' in page
    notice = Notice.objects.get(kind=Kind.SILO_REVOKED)
    with translation.override("de"):
        assert subject_of(notice) == f"Vorfall: {cohort.silo.name} wurde widerrufen"
    cohort.it.language = "de"
    cohort.it.save()
    assert "Vorfall: " in browser(cohort.it).get("/account/notifications/").content.decode()
