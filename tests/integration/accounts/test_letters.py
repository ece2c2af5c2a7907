"""Letters: invitations and ways back in."""

from __future__ import annotations

import re
from pathlib import Path
from smtplib import SMTPServerDisconnected
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from celery.exceptions import Retry
from django.contrib.auth.hashers import make_password
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import Client

from accounts import emails, tasks
from accounts.actions import create_user, set_password
from accounts.models import User
from audit.models import Event
from config.mail import settings_of
from tests.support.world import TEST, World

PASSWORD = "correct horse battery staple"
NEW = "another long battery staple"
ADDRESS = re.compile(r"http://testserver(/\S+/)")


@pytest.fixture(autouse=True)
def configured(settings: Any) -> None:
    settings.EMAIL_CONFIGURED = True


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What the broker is given."""
    found: list[tuple[str, list[str]]] = []
    monkeypatch.setattr("accounts.dispatch.current_app.send_task", lambda name, args, retry: found.append((name, args)))
    return found


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_new_member_is_invited_by_e_mail(
    world: World, queued: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    body = {"email": "new@example.org", "full_name": "Nora New", "role": "auditor"}
    with django_capture_on_commit_callbacks(execute=True):
        page = browser(world.administrator).post(f"/organisations/{world.north.pk}/people/", body, follow=True)
    assert b"An invitation is on its way to new@example.org." in page.content
    assert b"/welcome/" not in re.sub(rb'action="[^"]*"', b"", page.content)
    person = User.objects.get(email="new@example.org")
    assert queued == [("accounts.tasks.send_welcome", [str(person.pk)])]
    tasks.send_welcome(str(person.pk))
    (message,) = mail.outbox
    assert message.to == ["new@example.org"]
    assert "Nora New" in message.body
    assert "North has" in message.body
    html = message.alternatives[0]  # type: ignore[attr-defined]
    assert html.mimetype == "text/html"
    place = ADDRESS.search(str(message.body))
    assert place
    assert f'href="http://testserver{place[1]}"' in html.content
    client = Client()
    form = client.get(place[1], follow=True).redirect_chain[-1][0]
    assert client.post(form, {"new_password1": PASSWORD, "new_password2": PASSWORD}).status_code == 302
    assert client.post("/sign-in/", {"username": "new@example.org", "password": PASSWORD}).status_code == 302


def test_an_invitation_is_sent_again(world: World, queued: list[Any], django_capture_on_commit_callbacks: Any) -> None:
    place = f"/organisations/{world.north.pk}/people/{world.it.pk}/welcome/"
    with django_capture_on_commit_callbacks(execute=True):
        page = browser(world.administrator).post(place, follow=True)
    assert b"on its way to it@example.org" in page.content
    assert [name for name, _ in queued] == ["accounts.tasks.send_welcome"]


def test_nothing_is_sent_for_what_was_undone(world: World, queued: list[Any]) -> None:
    def undone() -> None:
        with transaction.atomic():
            create_user(email="gone@example.org", full_name="Gone", by=TEST)
            raise KeyError

    with pytest.raises(KeyError):
        undone()
    assert queued == []


def test_who_has_a_password_is_not_invited(world: World) -> None:
    set_password(user=world.it, password=PASSWORD, by=TEST)
    assert emails.send_welcome(world.it.pk) is False
    assert emails.send_welcome(uuid4()) is False
    assert emails.send_password_reset(uuid4()) is False
    assert mail.outbox == []


def test_who_shares_a_password_that_was_hashed_before_signs_in_and_is_not_invited(
    db: None, queued: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    hashed = make_password(PASSWORD)
    with django_capture_on_commit_callbacks(execute=True):
        for name in ("first", "second"):
            create_user(email=f"{name}@example.org", full_name=name.title(), password_hash=hashed, by=TEST)
    assert queued == []
    for name in ("first", "second"):
        answer = Client().post("/sign-in/", {"username": f"{name}@example.org", "password": PASSWORD})
        assert answer.status_code == 302


def test_a_mail_server_that_is_away_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object, **_kwargs: object) -> None:
        raise SMTPServerDisconnected

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", away)
    with pytest.raises(Retry):
        tasks.send_welcome.apply(args=(str(world.it.pk),), throw=True, retries=0)


@pytest.mark.parametrize("email", ["it@example.org", " IT@Example.org ", "stranger@example.org"])
def test_a_password_reset_request_reveals_no_account(world: World, queued: list[Any], email: str) -> None:
    client = Client()
    assert b"Send the e-mail" in client.get("/password/forgotten/").content
    answer = client.post("/password/forgotten/", {"email": email})
    assert answer["Location"] == "/password/forgotten/sent/"
    assert b"If somebody has an account" in client.get(answer["Location"]).content


def test_a_forgotten_password_is_replaced_by_an_e_mailed_link(
    world: World, queued: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    set_password(user=world.it, password=PASSWORD, by=TEST)
    elsewhere = browser(User.objects.get(pk=world.it.pk))
    client = Client()
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/password/forgotten/", {"email": "it@example.org"})
        client.post("/password/forgotten/", {"email": "stranger@example.org"})
    assert [name for name, _ in queued] == ["accounts.tasks.send_password_reset"] * 2
    for _, (user_id,) in queued:
        tasks.send_password_reset(user_id)
    (email,) = mail.outbox
    place = ADDRESS.search(str(email.body))
    assert place
    assert urlsplit(place[1]).path.startswith("/password/new/")
    form = client.get(place[1], follow=True).redirect_chain[-1][0]
    assert b"too short" in client.post(form, {"password1": "x", "password2": "x"}).content
    assert client.post(form, {"password1": NEW, "password2": NEW})["Location"] == "/sign-in/"
    assert Event.objects.filter(verb="user.password_set", subject_id=str(world.it.pk)).count() == 2
    assert elsewhere.get("/account/").status_code == 302
    assert client.post("/sign-in/", {"username": "it@example.org", "password": PASSWORD}).status_code == 422
    assert client.post("/sign-in/", {"username": "it@example.org", "password": NEW}).status_code == 302
    assert b"does not work" in Client().get(place[1], follow=True).content


def test_password_reset_e_mails_are_limited(world: World, queued: list[Any]) -> None:
    statuses = [Client().post("/password/forgotten/", {"email": "it@example.org"}).status_code for _ in range(6)]
    assert statuses == [302] * 5 + [429]
    last = Client().post("/password/forgotten/", {"email": "it@example.org"})
    assert b"Wait 15 minutes." in last.content


def test_without_e_mail_the_page_names_who_helps(world: World, settings: Any) -> None:
    settings.EMAIL_CONFIGURED = False
    assert b"sends no e-mails" in Client().get("/password/forgotten/").content
    assert b"Forgotten your password?" not in Client().get("/sign-in/").content


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("console:", {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}),
        ("file:///var/mail%20box", {"EMAIL_FILE_PATH": "/var/mail box"}),
        (
            "smtp://me:p%40ss@mail.example:2525?tls=start",
            {"EMAIL_HOST": "mail.example", "EMAIL_PORT": 2525, "EMAIL_HOST_PASSWORD": "p@ss", "EMAIL_USE_TLS": True},
        ),
        ("smtps://mail.example", {"EMAIL_PORT": 465, "EMAIL_USE_SSL": True, "EMAIL_USE_TLS": False}),
        ("smtp://mail.example", {"EMAIL_PORT": 25, "EMAIL_USE_SSL": False}),
    ],
)
def test_e_mails_leave_by_the_configured_address(url: str, wanted: dict[str, Any]) -> None:
    assert wanted.items() <= settings_of(url).items()


@pytest.mark.parametrize("url", ["imap://x", "smtp://", "nonsense"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL"):
        settings_of(url)


def test_e_mails_are_written_into_a_folder(world: World, settings: Any, tmp_path: Path) -> None:
    for name, value in settings_of(f"file://{tmp_path}").items():
        setattr(settings, name, value)
    emails.send_welcome(world.it.pk)
    (file,) = tmp_path.iterdir()
    assert "/welcome/" in file.read_text()
