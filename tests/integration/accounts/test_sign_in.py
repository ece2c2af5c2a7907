"""Signing in, out, for the first time; and guessing."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts import sign_in
from accounts.actions import create_user, deactivate_user, set_password
from accounts.models import SignInFailure, User
from accounts.sign_in import check_credentials
from accounts.welcome import welcome_url
from audit.models import Event
from rest.errors import Problem
from tests.support.patience import FAILS_AFTER_S
from tests.support.world import TEST

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def quick_hashes(settings: Any) -> None:
    """Hash fast: how slow the real one is, is Django's business."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def ada(db: None) -> User:
    return create_user(email="Ada@Example.org", full_name="Ada", password=PASSWORD, by=TEST)


def try_in(client: Client, email: str = "ada@example.org", password: str = PASSWORD, **extra: Any) -> Any:
    return client.post("/sign-in/", {"username": email, "password": password, **extra})


def test_a_user_signs_in_and_out(ada: User, client: Client) -> None:
    assert client.get("/").status_code == 302
    answer = try_in(client, " ADA@example.ORG ")
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert b"Ada" in client.get("/").content
    assert Event.objects.filter(verb="user.signed_in", actor_id=str(ada.pk)).count() == 1
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("email", ["ada@example.org", "nobody@example.org"])
def test_what_is_wrong_is_not_said(ada: User, client: Client, email: str) -> None:
    answer = try_in(client, email, "wrong")
    assert answer.status_code == 422
    assert b"The e-mail address or the password is wrong." in answer.content
    assert not Event.objects.filter(verb="user.signed_in").exists()


def test_a_closed_account_reads_like_a_wrong_password(ada: User, client: Client) -> None:
    client.force_login(ada)
    deactivate_user(user=ada, by=TEST)
    assert client.get("/").status_code == 302
    assert b"is wrong" in try_in(client).content


@pytest.mark.parametrize(
    ("wanted", "went"),
    [
        ("/account/", "/account/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\\evil.example", "/"),
    ],
)
def test_sign_in_leads_only_to_pages_of_this_platform(ada: User, client: Client, wanted: str, went: str) -> None:
    assert try_in(client, next=wanted)["Location"] == went


def test_the_session_gets_a_new_key(ada: User, client: Client) -> None:
    client.get("/sign-in/")
    session = client.session
    session["planted"] = True
    session.save()
    before = session.session_key
    client.cookies["sessionid"] = str(before)
    try_in(client)
    assert client.cookies["sessionid"].value != before


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 100_000, "'; DROP TABLE accounts_user; --", "é@é.é"])
def test_absurd_sign_in_input_is_refused(ada: User, client: Client, text: str) -> None:
    client.raise_request_exception = False
    raw = text.encode("utf-8", "surrogatepass")
    encoded = urlencode({"username": raw, "password": raw})
    answer = client.post("/sign-in/", encoded, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 422


def test_after_ten_guesses_one_waits(ada: User, client: Client) -> None:
    for _ in range(sign_in.PAIR_MAX):
        assert try_in(client, password="wrong").status_code == 422
    assert try_in(client, password="wrong").status_code == 429
    right = try_in(client)
    assert right.status_code == 429
    assert b"Wait a quarter of an hour" in right.content
    assert try_in(Client(REMOTE_ADDR="192.0.2.9")).status_code == 302
    SignInFailure.objects.update(at=timezone.now() - sign_in.WINDOW - timedelta(seconds=1))
    assert try_in(client).status_code == 302
    assert not SignInFailure.objects.exists()


def test_a_successful_sign_in_clears_failed_attempts(ada: User, client: Client) -> None:
    for _ in range(sign_in.PAIR_MAX - 1):
        try_in(client, password="wrong")
    assert try_in(client).status_code == 302
    client.post("/sign-out/")
    assert try_in(client, password="wrong").status_code == 422


def test_one_address_does_not_try_everybody(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "ADDRESS_MAX", 5)
    codes = []
    for number in range(7):
        with pytest.raises(Problem) as caught:
            check_credentials(email=f"{number}@example.org", password="x", address="192.0.2.1")
        codes.append(caught.value.code)
    assert codes == ["sign_in.failed"] * 5 + ["sign_in.too_many"] * 2


def test_many_addresses_do_not_try_one(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "ACCOUNT_MAX", 5)
    codes = []
    for number in range(7):
        with pytest.raises(Problem) as caught:
            check_credentials(email=ada.email, password="x", address=f"192.0.2.{number}")
        codes.append(caught.value.code)
    assert codes == ["sign_in.failed"] * 5 + ["sign_in.too_many"] * 2


def test_a_header_that_anybody_may_send_is_no_other_address(ada: User) -> None:
    for number in range(sign_in.PAIR_MAX + 1):
        answer = try_in(Client(headers={"x-forwarded-for": f"10.0.0.{number}"}), password="wrong")
    assert answer.status_code == 429


@pytest.mark.django_db(transaction=True)
def test_guessing_in_parallel_is_no_way_around(settings: Any) -> None:
    create_user(email="ada@example.org", full_name="Ada", password=PASSWORD, by=TEST)
    codes: list[str] = []

    def guess() -> None:
        try:
            for _ in range(5):
                with pytest.raises(Problem) as caught:
                    check_credentials(email="ada@example.org", password="x", address="192.0.2.1")
                codes.append(caught.value.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=guess) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(FAILS_AFTER_S)
    assert len(codes) == 20
    assert codes.count("sign_in.failed") <= sign_in.PAIR_MAX


def test_a_new_account_is_opened_by_its_address_once(db: None, client: Client) -> None:
    ada = create_user(email="ada@example.org", full_name="Ada", by=TEST)
    assert not ada.has_usable_password()
    path = urlsplit(welcome_url(ada)).path
    form = client.get(path, follow=True)
    assert form.status_code == 200
    place = form.redirect_chain[-1][0]
    weak = client.post(place, {"new_password1": "short", "new_password2": "short"})
    assert b"too short" in weak.content
    done = client.post(place, {"new_password1": PASSWORD, "new_password2": PASSWORD})
    assert (done.status_code, done["Location"]) == (302, "/sign-in/")
    assert try_in(client).status_code == 302
    assert Event.objects.filter(verb="user.password_set", subject_id=str(ada.pk)).exists()
    again = Client().get(path, follow=True)
    assert b"does not work" in again.content


@pytest.mark.parametrize(
    "path", ["/welcome/x/y/", "/welcome/AAAA/y/", "/welcome/%00/%00/", "/welcome/MTIz/set-password/"]
)
def test_an_address_that_is_none(db: None, path: str) -> None:
    client = Client(raise_request_exception=False)
    answer = client.get(path, follow=True)
    assert answer.status_code in {200, 404}
    assert b"set-password" not in answer.content


def test_changing_the_password_ends_other_sessions(ada: User, client: Client) -> None:
    other = Client()
    client.force_login(ada)
    other.force_login(ada)
    body = {"old_password": PASSWORD, "new_password1": PASSWORD + "!", "new_password2": PASSWORD + "!"}
    assert client.post("/account/password/", body | {"old_password": "x"}).status_code == 200
    assert client.post("/account/password/", body).status_code == 302
    assert client.get("/account/").status_code == 200
    assert other.get("/account/").status_code == 302


def test_guessing_the_old_password_ends_soon(ada: User, client: Client) -> None:
    client.force_login(ada)
    body = {"old_password": "x", "new_password1": PASSWORD + "!", "new_password2": PASSWORD + "!"}
    statuses = [client.post("/account/password/", body).status_code for _ in range(sign_in.PAIR_MAX + 1)]
    assert statuses == [200] * sign_in.PAIR_MAX + [429]
    assert client.post("/account/password/", body | {"old_password": PASSWORD}).status_code == 429


def test_weak_passwords_are_refused_by_the_action(ada: User) -> None:
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError):
        set_password(user=ada, password="password1234", by=ada)
    with pytest.raises(ValidationError):
        create_user(email="b@example.org", full_name="B", password="x", by=TEST)
    assert not User.objects.filter(email="b@example.org").exists()


def test_a_form_of_another_site_is_refused(ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = try_in(client)
    assert answer.status_code == 403
    assert b"csrf.failed" in answer.content
