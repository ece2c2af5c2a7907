"""Deliveries end, whatever the other side does, and one that breaks holds no other."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from accounts.actions import deactivate_user
from accounts.models import Organisation, User
from federation.errors import Transient
from monitoring import actions, deliveries, webhook_calls, wording
from monitoring.models import Channel, Delivery, Kind, Notice, Webhook
from monitoring.webhook_addresses import check_ip
from registry.models import Model
from rest.errors import Conflict
from silos.models import Silo
from tests.support.cohort import Cohort, browser, run_job
from tests.support.dripping import dripping
from tests.support.federation import TEST
from training.models import Job

pytestmark = pytest.mark.django_db
DEADLINE_S = 0.5
LATE_S = 60.0
TLS_RECORD = b"\x16\x03\x03\x40\x00"  # a handshake record of 16 KiB, of which the rest is awaited


@pytest.fixture(autouse=True)
def caught_up(cohort: Cohort, settings: Any) -> None:
    """E-mails are sent, calls may lead to this machine, and nothing is left to be reported."""
    settings.EMAIL_CONFIGURED = True
    settings.WEBHOOK_ALLOW_PRIVATE = True
    settings.WEBHOOK_DEADLINE_S = LATE_S
    actions.gather(by=TEST)
    Delivery.objects.all().delete()


def deliver_until_given_up() -> None:
    """As the back-off would have it, but at once."""
    for _ in range(len(deliveries.BACK_OFF_S) + 1):
        Delivery.objects.update(next_try_at=timezone.now())
        deliveries.deliver_due(by=TEST, seconds=LATE_S)


@pytest.mark.parametrize(
    ("scheme", "first", "drop"),
    [
        ("http", b"", b"H"),
        ("http", b"HTTP/1.1 2", b"0"),
        ("http", b"", b""),
        ("https", TLS_RECORD, b"\x00"),
        ("https", b"", b""),
    ],
    ids=["drips its status line", "drips digits", "says nothing", "drips its handshake", "no handshake"],
)
def test_a_receiver_that_drips_is_left_at_the_deadline_and_abandoned_in_the_end(
    cohort: Cohort, scheme: str, first: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.WEBHOOK_DEADLINE_S = DEADLINE_S
    monkeypatch.setattr(deliveries, "BACK_OFF_S", (30,))
    with dripping(first, drop) as server:
        url = f"{scheme}://127.0.0.1:{server.port}/"
        actions.add_webhook(url=url, kinds=["job.completed"], by=cohort.scientist)
        run_job(cohort)
        actions.gather(by=TEST)
        deliver_until_given_up()
        delivery = Delivery.objects.get(channel="webhook")
        assert (delivery.state, delivery.code) == ("failed", "webhook.deadline")
        assert server.calls == delivery.attempts == 2
        assert server.cut_off.wait(LATE_S), "it was hung up on, while it went on"
        assert not server.ended.is_set()
    assert Delivery.objects.get(channel="email").state == "sent"


def test_only_the_status_line_is_waited_for(cohort: Cohort) -> None:
    with dripping(b"HTTP/1.1 204 No Content\r\n", b"X") as server:
        url = f"http://127.0.0.1:{server.port}/"
        actions.add_webhook(url=url, kinds=["job.completed"], by=cohort.scientist)
        run_job(cohort)
        actions.gather(by=TEST)
        deliveries.deliver_due(by=TEST)
        assert Delivery.objects.get(channel="webhook").state == "sent"


@pytest.mark.parametrize(
    "answer", [b"x" * 100_000, b"HTTP/1.1 2000 OK\r\n", b"SMTP ready\r\n", b"\r\nHTTP/1.1 200 OK\r\n"]
)
def test_what_is_no_status_line_is_no_answer(cohort: Cohort, answer: bytes) -> None:
    with dripping(answer) as server:
        webhook = Webhook.objects.create(user=cohort.scientist, url=f"http://127.0.0.1:{server.port}/", kinds=[])
        page = browser(cohort.scientist).post(f"/account/webhooks/{webhook.id}/try/", follow=True).content.decode()
        assert "did not answer as a web server does" in page


def test_a_name_service_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def late(*args: object, **kwargs: object) -> list[object]:
        release.wait(LATE_S)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", late)
    deadline = webhook_calls.Deadline(0.2, "hooks.example.org")
    with pytest.raises(Transient) as caught:
        webhook_calls.resolved("hooks.example.org", 443, deadline, check_ip)
    release.set()
    assert caught.value.code == "webhook.deadline"


def test_what_fails_is_put_off_with_all_that_waits_for_the_same_address(cohort: Cohort, settings: Any) -> None:
    settings.WEBHOOK_DEADLINE_S = DEADLINE_S
    with dripping(b"", b"H") as server:
        url = f"http://127.0.0.1:{server.port}/"
        webhook = actions.add_webhook(url=url, kinds=["job.completed"], by=cohort.scientist)
        job = run_job(cohort)
        actions.gather(by=TEST)
        first = Delivery.objects.get(channel="webhook")
        reported = Notice.objects.get(id=first.notice_id)
        for number in range(3):
            reported.pk, reported.event_id = None, reported.event_id + 1000 + number
            reported.save()
            Delivery.objects.create(notice=reported, user=cohort.scientist, channel=Channel.WEBHOOK, webhook=webhook)
        deliveries.deliver_due(by=TEST, seconds=LATE_S)
        assert server.calls == 1, "one try for all of them"
    waiting = Delivery.objects.filter(channel="webhook", state="pending", next_try_at__gt=timezone.now())
    assert waiting.count() == 4
    assert sorted(waiting.values_list("attempts", flat=True)) == [0, 0, 0, 1]
    assert job.name in mail.outbox[0].subject


def test_what_waits_for_an_address_that_is_abandoned_is_abandoned_too(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "FAILURES_MAX", 1)
    with dripping(b"HTTP/1.1 500 No\r\n") as server:
        url = f"http://127.0.0.1:{server.port}/"
        webhook = actions.add_webhook(url=url, kinds=["job.completed"], by=cohort.scientist)
        for _ in range(2):
            run_job(cohort)
        actions.gather(by=TEST)
        deliver_until_given_up()
        assert server.calls == 1
    webhook.refresh_from_db()
    assert webhook.disabled_at is not None
    rows = Delivery.objects.filter(webhook=webhook).values_list("state", "code")
    assert list(rows) == [("failed", "webhook.abandoned")] * 2


def test_a_delivery_that_breaks_is_written_down_and_the_others_go_on(
    cohort: Cohort, caplog: pytest.LogCaptureFixture
) -> None:
    User.objects.filter(pk=cohort.administrator.pk).update(language="de")
    run_job(cohort)
    actions.gather(by=TEST)
    fine = Delivery.objects.get()
    odd = Notice.objects.create(event_id=fine.notice.event_id, **_other(fine.notice, kind="none.such"))
    broken = Delivery.objects.create(
        notice=odd, user=cohort.administrator, channel=Channel.EMAIL, next_try_at=fine.next_try_at
    )
    Delivery.objects.filter(id=fine.id).update(next_try_at=timezone.now())
    assert deliveries.deliver_due(by=TEST) == 2
    broken.refresh_from_db()
    fine.refresh_from_db()
    assert (fine.state, broken.state, broken.code, broken.attempts) == ("sent", "pending", "delivery.error", 1)
    assert broken.next_try_at > timezone.now()
    assert "Traceback" in caplog.text
    assert "none.such" in caplog.text


def _other(notice: Notice, *, kind: str) -> dict[str, Any]:
    Notice.objects.filter(pk=notice.pk).update(event_id=notice.event_id + 1_000_000)
    return {"kind": kind, "at": notice.at, "subject": "x", "text": "y", "path": "/"}


def test_an_event_that_can_t_be_delivered_holds_no_other(
    cohort: Cohort, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = wording.notice_text

    def words(kind: Kind, event: Any) -> Any:
        if kind == Kind.AGREEMENT_SIGNING or event.id == first.event_id:
            raise LookupError("a fault of ours")
        return real(kind, event)

    job = run_job(cohort)
    actions.gather(by=TEST)
    first = Notice.objects.get(kind=Kind.JOB_COMPLETED)
    Notice.objects.all().delete()
    monkeypatch.setattr(actions, "notice_text", words)
    again = run_job(cohort)
    actions.gather(by=TEST)
    assert [notice.job_id for notice in Notice.objects.filter(kind=Kind.JOB_COMPLETED)] == [again.id]
    assert "a fault of ours" in caplog.text
    monkeypatch.undo()
    actions.gather(by=TEST)
    rows = set(Notice.objects.filter(kind=Kind.JOB_COMPLETED).values_list("job_id", flat=True))
    assert rows == {job.id, again.id}


def test_names_that_were_kept_with_an_end_of_line_are_reported_and_cleaned(cohort: Cohort) -> None:
    """Rows from before names had to be one line, as they come from a database."""
    job = run_job(cohort)
    silo = cohort.silo
    twin = Silo.objects.create(organisation=silo.organisation, name="Ward 1", palette=7)
    member_organisation = silo.organisation_id
    with connection.cursor() as cursor:
        cursor.execute("UPDATE training_job SET name = %s WHERE id = %s", ["Heart\r\nBcc: all@example.org", job.id])
        cursor.execute("UPDATE silos_silo SET name = %s WHERE id = %s", ["Ward\u20281", silo.id])
        cursor.execute(
            "UPDATE accounts_organisation SET name = %s WHERE id = %s", ["\u202e\u200b", member_organisation]
        )
        cursor.execute("UPDATE accounts_user SET full_name = %s WHERE id = %s", ["Ada\tLo\u0308w", cohort.it.pk])
    actions.gather(by=TEST)
    Notice.objects.filter(job_id=job.id).update(subject="Completed:\nHeart", names=None)
    deliveries.deliver_due(by=TEST)
    assert [message.subject for message in mail.outbox] == ["[Consilience] Completed: Heart"]

    migration = MigrationLoader(connection).get_migration("monitoring", "0006_names_are_one_line")
    (clean,) = migration.operations
    clean.code(MigrationLoader(connection).project_state().apps, None)  # type: ignore[attr-defined]
    assert Job.objects.get(id=job.id).name == "Heart Bcc: all@example.org"
    assert Silo.objects.get(id=silo.id).name == "Ward 1 (2)"
    assert Silo.objects.get(id=twin.id).name == "Ward 1"
    assert Organisation.objects.get(id=silo.organisation_id).name == "(no name)"
    assert User.objects.get(pk=cohort.it.pk).full_name == "Ada Löw"
    assert Model.objects.get(jobs=job).name == job.name


def test_only_so_many_trials_keep_a_web_process_waiting(cohort: Cohort) -> None:
    webhook = Webhook.objects.create(user=cohort.scientist, url="http://127.0.0.1:9/", kinds=[])
    for _ in range(actions.TRIALS_AT_ONCE_MAX):
        actions._trials.acquire()
    try:
        with pytest.raises(Conflict) as caught:
            actions.try_webhook(webhook=webhook, by=cohort.scientist)
    finally:
        for _ in range(actions.TRIALS_AT_ONCE_MAX):
            actions._trials.release()
    assert caught.value.code == "webhook.trials"


def test_a_path_in_letters_of_any_script_is_called(cohort: Cohort) -> None:
    with dripping(b"HTTP/1.1 204 No Content\r\n") as server:
        url = f"http://127.0.0.1:{server.port}/höök%20x?a=ü"
        actions.try_webhook(
            webhook=actions.add_webhook(url=url, kinds=["job.failed"], by=cohort.scientist), by=cohort.scientist
        )
        assert server.calls == 1


@pytest.mark.parametrize("lost", ["role", "account"])
@pytest.mark.parametrize("when", ["before the event", "while it waits"])
def test_who_may_no_longer_see_a_thing_is_informed_nothing_of_it(cohort: Cohort, lost: str, when: str) -> None:
    def lose() -> None:
        if lost == "account":
            deactivate_user(user=cohort.scientist, by=TEST)
            return
        cohort.scientist.consortium_roles.all().delete()
        cohort.scientist.organisation_roles.all().delete()

    job = run_job(cohort)
    if when == "before the event":
        lose()
    actions.gather(by=TEST)
    waiting = Delivery.objects.filter(user=cohort.scientist, notice__job_id=job.id)
    assert waiting.exists() == (when == "while it waits")
    lose()
    deliveries.deliver_due(by=TEST, seconds=LATE_S)
    assert not [message for message in mail.outbox if cohort.scientist.email in message.to]
    assert not waiting.exclude(state="failed", code="delivery.not_permitted").exists()
