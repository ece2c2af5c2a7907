"""One's own account: where one is signed in, and what one's tokens do."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.actions import deactivate_user, reactivate_user, set_password
from accounts.housekeeping import delete_expired
from accounts.models import User
from accounts.tokens import issue_token
from audit.models import Event
from tests.support.world import TEST, World

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"


def browser(user: User, agent: str, address: str) -> Client:
    client = Client(headers={"user-agent": agent}, REMOTE_ADDR=address)
    client.force_login(user)
    assert client.get("/account/").status_code == 200
    return client


def test_the_list_names_browsers_and_marks_this_one(world: World) -> None:
    here = browser(world.it, FIREFOX, "192.0.2.1")
    browser(world.it, PHONE, "2001:db8::1")
    browser(world.nobody, PHONE, "192.0.2.66")
    page = here.get("/account/").content.decode()
    assert re.search(r"Firefox on Linux\s*<span[^>]*>this one", page)
    assert "Safari on iPhone" in page
    assert "2001:db8::1" in page
    assert "192.0.2.66" not in page


def test_one_browser_is_signed_out(world: World) -> None:
    here, there = browser(world.it, FIREFOX, "192.0.2.1"), browser(world.it, PHONE, "192.0.2.2")
    session = UserSession.objects.get(ip="192.0.2.2")
    stranger = browser(world.nobody, PHONE, "192.0.2.3")
    assert stranger.post(f"/account/sessions/{session.pk}/end/").status_code == 404
    assert here.get(f"/account/sessions/{session.pk}/end/").status_code == 405
    assert there.get("/account/").status_code == 200
    assert here.post(f"/account/sessions/{session.pk}/end/")["Location"] == "/account/"
    assert there.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 200
    assert Event.objects.filter(verb="user.session_ended", actor_id=str(world.it.pk)).count() == 1


def test_signing_out_everywhere_ends_all_sessions(world: World) -> None:
    here, there = browser(world.it, FIREFOX, "192.0.2.1"), browser(world.it, PHONE, "192.0.2.2")
    other = browser(world.nobody, PHONE, "192.0.2.3")
    asked = here.get("/account/sessions/end/")
    assert b"API tokens go on working" in asked.content
    assert there.get("/account/").status_code == 200
    assert here.post("/account/sessions/end/")["Location"] == "/sign-in/"
    assert here.get("/account/").status_code == there.get("/account/").status_code == 302
    assert other.get("/account/").status_code == 200
    assert Event.objects.get(verb="user.sessions_ended").detail == {"sessions": 2}


def test_sessions_that_a_new_password_ended_are_not_listed(world: World) -> None:
    browser(world.it, PHONE, "192.0.2.2")
    set_password(user=world.it, password="correct horse battery staple", by=TEST)
    here = browser(User.objects.get(pk=world.it.pk), FIREFOX, "192.0.2.1")
    assert b"Safari on iPhone" not in here.get("/account/").content


def test_ended_sessions_are_deleted(world: World) -> None:
    here = browser(world.it, FIREFOX, "192.0.2.1")
    here.post("/sign-out/")
    assert UserSession.objects.exists()
    delete_expired()
    assert not UserSession.objects.exists()
    assert not Session.objects.exists()


def test_signing_in_notes_the_browser_at_once(world: World) -> None:
    set_password(user=world.it, password="correct horse battery staple", by=TEST)
    client = Client(headers={"user-agent": PHONE})
    client.post("/sign-in/", {"username": world.it.email, "password": "correct horse battery staple"})
    assert UserSession.objects.get(user=world.it).user_agent == PHONE


def test_tokens_say_what_they_do_and_when_they_did(world: World) -> None:
    _, secret = issue_token(user=world.it, name="notebook", scopes=["jobs:read"], lifetime=timedelta(days=30), by=TEST)
    here = browser(world.it, FIREFOX, "192.0.2.1")
    page = here.get("/account/tokens/").content.decode()
    assert "jobs:read" in page
    assert "never" in page
    assert "in 4\xa0weeks" in page
    Client().get("/api/v1/jobs/", headers={"authorization": f"Bearer {secret}"})
    assert "just now" in here.get("/account/tokens/").content.decode()
    assert "notebook" in here.get("/account/").content.decode()


def test_a_new_token_has_a_button_to_copy_it(world: World) -> None:
    here = browser(world.it, FIREFOX, "192.0.2.1")
    body = {"name": "notebook", "scopes": ["jobs:read"], "lifetime_days": "30"}
    page = here.post("/account/tokens/", body).content.decode()
    assert re.search(r'data-copy="cns_[\w-]{43}"', page)


@pytest.mark.parametrize("address", ["", "garbage", "fe80::1%eth0", "192.0.2.1:80"])
def test_an_address_that_is_none_is_no_fault(world: World, address: str) -> None:
    set_password(user=world.it, password="correct horse battery staple", by=TEST)
    client = Client(REMOTE_ADDR=address)
    body = {"username": world.it.email, "password": "correct horse battery staple"}
    assert client.post("/sign-in/", body).status_code == 302
    assert client.get("/account/").status_code == 200


@pytest.mark.parametrize("agent", ["", "x" * 10_000, "<script>", "\x7f"])
def test_any_claim_of_a_browser_is_taken(world: World, agent: str) -> None:
    here = browser(world.it, agent, "192.0.2.1")
    assert b"Unknown browser" in here.get("/account/").content


def test_a_session_that_changed_the_password_is_signed_out_with_all_others(world: World) -> None:
    set_password(user=world.it, password="correct horse battery staple", by=TEST)
    there = browser(User.objects.get(pk=world.it.pk), PHONE, "192.0.2.2")
    new = "another long battery staple"
    words = {"old_password": "correct horse battery staple", "new_password1": new, "new_password2": new}
    assert there.post("/account/password/", words)["Location"] == "/account/"
    here = browser(User.objects.get(pk=world.it.pk), FIREFOX, "192.0.2.1")
    assert b"Safari on iPhone" in here.get("/account/").content
    here.post("/account/sessions/end/")
    assert there.get("/account/")["Location"].startswith("/sign-in/")


def test_an_account_that_is_opened_again_is_signed_into_again(world: World) -> None:
    there = browser(world.it, PHONE, "192.0.2.2")
    _, secret = issue_token(user=world.it, name="t", scopes=["account:read"], lifetime=timedelta(days=1), by=TEST)
    deactivate_user(user=world.it, by=world.platform_admin)
    reactivate_user(user=world.it, by=world.platform_admin)
    assert there.get("/account/")["Location"].startswith("/sign-in/")
    assert Client().get("/api/v1/me/", headers={"authorization": f"Bearer {secret}"}).status_code == 401
