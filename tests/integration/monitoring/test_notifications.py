"""Who is notified of what: from an event of the record to an e-mail or a call to a real address."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.permissions import Role
from consortia import invitations
from consortia.actions import grant_consortium_role
from monitoring import actions, deliveries, webhooks
from monitoring.models import Delivery, Kind, Notice, Webhook
from plans.actions import propose
from silos.models import Silo
from tests.support.agreements import being_signed, steward_of, terms_for
from tests.support.cohort import Cohort, browser, run_job
from tests.support.federation import TEST
from tests.support.plans import uploaded
from training.engine import control, sweep

pytestmark = pytest.mark.django_db


@dataclass
class Receiver:
    """Somebody's server, and what it got."""

    url: str = ""
    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    reported = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            reported.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(reported.status)
            if reported.status == 302:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    reported.url = f"http://127.0.0.1:{server.server_port}/hook?x=1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield reported
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def caught_up(cohort: Cohort, settings: Any) -> None:
    """E-mails are sent, and what happened while the cohort was made has been reported."""
    settings.EMAIL_CONFIGURED = True
    actions.gather(by=TEST)
    Delivery.objects.all().delete()


def notified(address: str) -> list[str]:
    return [str(message.subject) for message in mail.outbox if message.to == [address]]


def notify() -> None:
    actions.gather(by=TEST)
    deliveries.deliver_due(by=TEST)


def test_the_launcher_is_informed_that_a_job_is_done(cohort: Cohort) -> None:
    job = run_job(cohort)
    notify()
    assert notified(cohort.scientist.email) == [f"[Consilience] Completed: {job.name}"]
    text = mail.outbox[0].body
    assert f"/jobs/{job.id}/" in text
    assert "accuracy 0.500" in text
    assert not notified(cohort.neighbour.email)
    notify()
    assert len(mail.outbox) == 1


def test_without_e_mail_no_notice_waits_for_ever(cohort: Cohort, settings: Any) -> None:
    settings.EMAIL_CONFIGURED = False
    run_job(cohort)
    notify()
    assert Notice.objects.filter(kind="job.completed").exists()
    assert not Delivery.objects.exists()
    assert "sends no e-mails yet" in browser(cohort.scientist).get("/account/notifications/").content.decode()


def test_a_pause_says_why_and_reaches_the_administrator_too(cohort: Cohort) -> None:
    job = run_job(cohort, rounds_answered=1)
    control.pause(job=job, by=cohort.scientist)
    notify()
    assert notified(cohort.scientist.email) == [f"[Consilience] Paused: {job.name}"]
    assert notified(cohort.administrator.email) == [f"[Consilience] Paused: {job.name}"]
    assert "Paused by" in mail.outbox[0].body


def test_a_silent_silo_is_notified_to_its_own_it_and_to_nobody_else(cohort: Cohort, settings: Any) -> None:
    long_ago = timezone.now() - timedelta(days=2)
    Silo.objects.filter(id=cohort.silo.id).update(last_seen_at=long_ago)
    assert sweep.note_silent_silos(by=TEST) == 1
    notify()
    assert [message.to for message in mail.outbox] == [[cohort.it.email]]
    assert "silo-connector doctor" in mail.outbox[0].body


def test_an_invitation_is_notified_to_those_who_may_answer(cohort: Cohort) -> None:
    consortium = cohort.federation.consortium
    invitations.invite(consortium=consortium, organisation=cohort.elsewhere, by=cohort.administrator)
    notify()
    people = {address for message in mail.outbox for address in message.to}
    answering = cohort.elsewhere.roles.filter(role=Role.ORGANISATION_ADMINISTRATOR)
    assert people == {role.user.email for role in answering}


def test_who_chose_otherwise_is_not_notified(cohort: Cohort) -> None:
    client = browser(cohort.scientist)
    assert client.post("/account/notifications/choose/", {"email": ["job.failed"]}).status_code == 302
    run_job(cohort)
    notify()
    assert not mail.outbox
    page = client.get("/account/notifications/").content.decode()
    assert 'name="email" value="job.failed" checked' in page
    assert 'name="email" value="job.completed" checked' not in page


def test_a_webhook_is_called_with_a_signature_that_holds(cohort: Cohort, receiver: Receiver) -> None:
    client = browser(cohort.scientist)
    page = client.post("/account/webhooks/", {"url": receiver.url, "kinds": ["job.completed"]}).content.decode()
    webhook = Webhook.objects.get()
    secret = webhooks.secret_of(webhook)
    assert secret in page
    assert secret not in client.get("/account/notifications/").content.decode()
    job = run_job(cohort)
    notify()
    ((headers, body),) = receiver.got
    body_read = json.loads(body)
    assert (body_read["type"], body_read["data"]["job_id"]) == ("job.completed", str(job.id))
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == webhooks.signature(secret, headers["webhook-id"], stamp, body)
    notify()
    assert len(receiver.got) == 1


def test_a_failing_address_is_tried_again_later_and_abandoned_in_the_end(cohort: Cohort, receiver: Receiver) -> None:
    receiver.status = 500
    actions.add_webhook(url=receiver.url, kinds=["job.completed"], by=cohort.scientist)
    run_job(cohort)
    actions.gather(by=TEST)
    for _ in range(len(deliveries.BACK_OFF_S) + 1):
        Delivery.objects.update(next_try_at=timezone.now())
        deliveries.deliver_due(by=TEST)
    delivery = Delivery.objects.get(channel="webhook")
    assert (delivery.state, delivery.attempts) == ("failed", len(deliveries.BACK_OFF_S) + 1)
    assert delivery.error == "127.0.0.1 answered 500."
    assert Webhook.objects.get().failures == len(receiver.got)
    assert notified(cohort.scientist.email)


def test_no_redirect_is_followed(cohort: Cohort, receiver: Receiver) -> None:
    receiver.status = 302
    webhook = actions.add_webhook(url=receiver.url, kinds=["job.completed"], by=cohort.scientist)
    client = browser(cohort.scientist)
    page = client.post(f"/account/webhooks/{webhook.id}/try/", follow=True).content.decode()
    assert "answered 302" in page
    assert len(receiver.got) == 1


def test_an_address_inside_is_not_called_even_by_a_name(cohort: Cohort, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = False
    client = browser(cohort.scientist)
    answer = client.post("/account/webhooks/", {"url": "https://10.0.0.1/", "kinds": ["job.failed"]})
    assert answer.status_code == 422
    assert "webhook.private" in answer.content.decode()
    assert 'value="https://10.0.0.1/"' in answer.content.decode()
    webhook = Webhook.objects.create(user=cohort.scientist, url="https://localhost/", kinds=["job.failed"])
    page = client.post(f"/account/webhooks/{webhook.id}/try/", follow=True).content.decode()
    assert "private network" in page


def test_a_worker_that_dies_while_sending_sends_it_again(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    run_job(cohort)
    actions.gather(by=TEST)

    def die(delivery: Delivery) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(deliveries, "_send", die)
    with pytest.raises(KeyboardInterrupt):
        deliveries.deliver_due(by=TEST)
    monkeypatch.undo()
    assert deliveries.deliver_due(by=TEST) == 0
    Delivery.objects.update(next_try_at=timezone.now())
    assert deliveries.deliver_due(by=TEST) == 1
    assert notified(cohort.scientist.email)


def test_a_webhook_is_its_owner_s_alone(cohort: Cohort, settings: Any) -> None:
    settings.WEBHOOK_ALLOW_PRIVATE = True
    webhook = actions.add_webhook(url="http://127.0.0.1:9/", kinds=["job.failed"], by=cohort.scientist)
    for path in (f"/account/webhooks/{webhook.id}/try/", f"/account/webhooks/{webhook.id}/remove/"):
        assert browser(cohort.administrator).post(path).status_code == 404
        assert Client().post(path).status_code == 302
    assert browser(cohort.scientist).post(f"/account/webhooks/{webhook.id}/remove/").status_code == 302
    assert not Webhook.objects.exists()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"url": "https://example.org/", "kinds": []}, "webhook.kinds"),
        ({"url": "https://example.org/", "kinds": ["everything"]}, "notice.kind"),
        ({"url": "", "kinds": ["job.failed"]}, "webhook.address"),
        ({"url": "https://example.org/\x00", "kinds": ["job.failed"]}, "webhook.address"),
        ({"url": "https://example.org/" + "a" * 600, "kinds": ["job.failed"]}, "webhook.address"),
    ],
)
def test_what_is_wrong_with_a_webhook_is_reported(cohort: Cohort, data: dict[str, Any], code: str) -> None:
    answer = browser(cohort.scientist).post("/account/webhooks/", data)
    assert answer.status_code == 422
    assert code in answer.content.decode()
    assert not Webhook.objects.exists()


def test_an_event_that_becomes_visible_late_is_still_delivered(cohort: Cohort) -> None:
    job = run_job(cohort)
    notify()
    late = Notice.objects.latest("event_id")
    Notice.objects.filter(id=late.id).delete()
    grant_consortium_role(
        consortium=cohort.federation.consortium,
        user=cohort.neighbour,
        role=Role.CONSORTIUM_ADMINISTRATOR,
        by=cohort.administrator,
    )
    mail.outbox.clear()
    notify()
    assert notified(cohort.scientist.email) == [f"[Consilience] Completed: {job.name}"]
    assert set(Notice.objects.values_list("kind", flat=True)) <= set(Kind.values)


def test_stewards_of_all_members_are_informed_of_an_agreement_and_nobody_else(cohort: Cohort) -> None:
    other = steward_of(cohort.federation.silos[1].silo.organisation)
    stranger = steward_of(cohort.elsewhere)
    plan = uploaded(cohort.federation.consortium, cohort.scientist)
    work = terms_for(cohort.federation)["training_limits"] | {"families": ["plan"]}
    version = being_signed(cohort.federation, code={"digests": [plan.digest]}, training_limits=work)
    notify()
    name = cohort.federation.consortium.name
    expected = [f"[Consilience] To read: the agreement of {name}", f"[Consilience] To sign: the agreement of {name}"]
    for person in (cohort.steward, other):
        assert sorted(notified(person.email)) == expected
    for person in (stranger, cohort.administrator, cohort.neighbour, cohort.outsider, cohort.scientist):
        assert not notified(person.email), person
    to_sign = next(message for message in mail.outbox if "To sign" in message.subject)
    assert f"/agreements/{version.pk}/" in to_sign.body
    assert plan.title in to_sign.body


def test_stewards_are_informed_once_of_a_plan_that_waits_and_may_choose_not_to_be(cohort: Cohort) -> None:
    other = steward_of(cohort.federation.silos[1].silo.organisation)
    kinds = [kind for kind in Kind.values if kind != Kind.PLAN_PROPOSED]
    browser(other).post("/account/notifications/choose/", {"email": kinds})
    plan = uploaded(cohort.federation.consortium, cohort.scientist)
    notify()
    assert not mail.outbox, "uploaded is not yet asked for"
    for _ in range(2):
        propose(plan=plan, by=cohort.scientist)
        notify()
    assert notified(cohort.steward.email) == [f"[Consilience] To review: {plan.title}"]
    assert len(mail.outbox) == 1
    assert f"/plans/{plan.pk}/" in mail.outbox[0].body
    assert cohort.scientist.full_name not in mail.outbox[0].body


def test_a_steward_s_webhook_is_called_for_a_plan(cohort: Cohort, receiver: Receiver) -> None:
    actions.add_webhook(url=receiver.url, kinds=["plan.proposed"], by=cohort.steward)
    propose(plan=uploaded(cohort.federation.consortium, cohort.scientist), by=cohort.scientist)
    notify()
    assert [json.loads(body)["type"] for _, body in receiver.got] == ["plan.proposed"]


def test_the_page_of_choices_says_why_a_steward_is_reported(cohort: Cohort) -> None:
    page = browser(cohort.steward).get("/account/notifications/")
    chosen = {one["kind"]: one["email"] for one in page.context["kinds"]}
    assert all(chosen[kind] for kind in (Kind.AGREEMENT_PROPOSED, Kind.AGREEMENT_SIGNING, Kind.PLAN_PROPOSED))
    assert "A training plan waits for your review" in page.content.decode()
