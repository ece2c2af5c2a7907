"""The second factor: set up, shown, guessed at, lost, and asked for by a role."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.actions import set_password
from accounts.models import SignInFailure, User
from accounts.second_factor import codes
from accounts.second_factor.actions import reset
from accounts.second_factor.encryption import encrypt, unseal
from accounts.tokens import issue_token
from audit.models import Event
from federation.errors import Untrusted
from rest.errors import Conflict
from tests.support.second_factors import SECRET, code, telephone
from tests.support.world import TEST, World, client_of

PASSWORD = "correct horse battery staple"
SET_UP = "/account/second-factor/set-up/"
CODES = "/account/second-factor/recovery-codes/"


@pytest.fixture(autouse=True)
def required(settings: Any) -> None:
    settings.SIGN_IN_TOTP_REQUIRED = True


def with_password(user: User) -> User:
    return user if user.has_usable_password() else set_password(user=user, password=PASSWORD, by=TEST)


def sign_in(user: User, client: Client | None = None) -> tuple[Client, Any]:
    """A browser after the password, and where that led."""
    client = client or Client()
    return client, client.post("/sign-in/", {"username": with_password(user).email, "password": PASSWORD})


def verbs(user: User) -> list[str]:
    return list(Event.objects.filter(subject_id=str(user.pk)).order_by("id").values_list("verb", flat=True))


@pytest.mark.parametrize("who", ["platform_admin", "administrator", "steward", "outsider"])
def test_who_administers_sets_it_up_before_anything_else(world: World, who: str) -> None:
    client, answer = sign_in(getattr(world, who))
    assert answer["Location"] == "/"
    for path in ("/", "/account/", f"/organisations/{world.north.pk}/", "/account/tokens/"):
        assert client.get(path)["Location"].startswith(SET_UP + "?next=%2F"), path
    assert client.post("/account/tokens/", {"name": "x"})["Location"] == SET_UP
    refused = client.get("/api/v1/consortia/")
    assert (refused.status_code, refused.json()["code"]) == (403, "second_factor.required")
    fragment = client.get("/", headers={"hx-request": "true"})
    assert fragment["HX-Redirect"].startswith(SET_UP)
    assert client.post("/sign-out/")["Location"] == "/sign-in/"


@pytest.mark.parametrize("who", ["it", "auditor", "scientist", "nobody"])
def test_roles_without_duty_may_sign_in_without_a_second_factor(world: World, who: str) -> None:
    client, answer = sign_in(getattr(world, who))
    assert answer["Location"] == "/"
    assert client.get("/").status_code == 200
    assert client.get("/api/v1/consortia/").status_code == 200


def test_setting_it_up_shows_recovery_codes_once(world: World) -> None:
    client, _ = sign_in(world.steward)
    page = client.get(SET_UP)
    assert page.status_code == 200
    assert b"<svg" in page.content
    assert b"style=" not in page.content
    assert "no-store" in page["Cache-Control"]
    secret = client.session["mfa.totp.secret"]
    wrong = client.post(SET_UP, {"code": "000000"})
    assert b"another code" in wrong.content
    in_groups = " ".join(re.findall(".{1,4}", secret)).encode()
    for again in (page, wrong, client.get(SET_UP), client.get(SET_UP)):
        assert in_groups in again.content
    done = client.post(SET_UP, {"code": code(secret)})
    assert done["Location"] == CODES
    shown = client.get(CODES)
    recovery = re.findall(r"\b\d{8}\b", shown.content.decode())
    assert len(set(recovery)) == 10
    again = client.get(CODES)
    assert not re.findall(r"\b\d{8}\b", again.content.decode())
    assert b"10 of 10 are left" in again.content
    assert client.get("/").status_code == 200
    assert "user.second_factor_set_up" in verbs(world.steward)
    stored = Authenticator.objects.get(user=world.steward, type="totp").data["secret"]
    assert secret not in stored
    assert unseal(stored) == secret
    assert "mfa.totp.secret" not in client.session


def test_a_secret_that_waits_for_its_code_is_one_session_s(world: World) -> None:
    first, _ = sign_in(world.it)
    second, _ = sign_in(world.it)
    for client in (first, second):
        client.get(SET_UP)
    waiting = first.session["mfa.totp.secret"]
    assert second.session["mfa.totp.secret"] != waiting
    first.post("/sign-out/")
    sign_in(world.it, first)
    first.get(SET_UP)
    assert first.session["mfa.totp.secret"] not in (waiting, second.session["mfa.totp.secret"])


def test_signing_in_takes_a_code(world: World) -> None:
    secret = telephone(world.steward)
    client, answer = sign_in(world.steward)
    assert answer["Location"] == "/sign-in/code/"
    assert client.get("/").status_code == 302
    assert "user.signed_in" not in verbs(world.steward)
    assert b"Your code" in client.get("/sign-in/code/").content
    wrong = client.post("/sign-in/code/", {"code": "000000"})
    assert wrong.status_code == 422
    assert b"This code is wrong" in wrong.content
    assert client.post("/sign-in/code/", {"code": code(secret)})["Location"] == "/"
    assert client.get("/").status_code == 200
    assert client.get("/api/v1/consortia/").status_code == 200
    assert verbs(world.steward).count("user.signed_in") == 1


def test_where_one_wanted_to_go_is_kept_over_the_code(world: World) -> None:
    secret = telephone(world.steward)
    client = Client()
    body = {"username": with_password(world.steward).email, "password": PASSWORD, "next": "/account/"}
    assert client.post("/sign-in/", body)["Location"].startswith("/sign-in/code/")
    assert client.post("/sign-in/code/", {"code": code(secret)})["Location"] == "/account/"


def test_a_code_works_once_also_while_redis_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object, **_kwargs: object) -> None:
        raise ConnectionError

    for name in ("add", "get", "set", "delete"):
        monkeypatch.setattr(type(cache._connections["default"]), name, away)  # type: ignore[attr-defined]
    secret = telephone(world.steward)
    first, _ = sign_in(world.steward)
    now = code(secret)
    assert first.post("/sign-in/code/", {"code": now}).status_code == 302
    second, _ = sign_in(world.steward)
    assert second.post("/sign-in/code/", {"code": now}).status_code == 422
    assert second.post("/sign-in/code/", {"code": code(secret, steps_on=1)}).status_code == 302
    third, _ = sign_in(world.steward)
    assert third.post("/sign-in/code/", {"code": code(secret, steps_on=-1)}).status_code == 422


def test_a_recovery_code_lets_in_once(world: World) -> None:
    client, _ = sign_in(world.steward)
    client.get(SET_UP)
    client.post(SET_UP, {"code": code(client.session["mfa.totp.secret"])})
    kept = re.findall(r"\b\d{8}\b", client.get(CODES).content.decode())[0]
    other, _ = sign_in(world.steward)
    spaced = f"{kept[:4]} {kept[4:]}"
    assert other.post("/sign-in/code/", {"code": spaced}).status_code == 302
    assert "user.recovery_code_used" in verbs(world.steward)
    third, _ = sign_in(world.steward)
    assert third.post("/sign-in/code/", {"code": kept}).status_code == 422
    assert b"9 left" in other.get("/account/").content


def test_guessing_codes_ends_soon_wherever_it_comes_from(world: World) -> None:
    secret = telephone(world.steward)
    statuses = []
    for number in range(codes.TRIES_MAX + 1):
        client, _ = sign_in(world.steward, Client(REMOTE_ADDR=f"192.0.2.{number}"))
        statuses.append(client.post("/sign-in/code/", {"code": "000000"}).status_code)
    assert statuses == [422] * codes.TRIES_MAX + [429]
    assert client.post("/sign-in/code/", {"code": code(secret)}).status_code == 429
    SignInFailure.objects.update(at=timezone.now() - timedelta(hours=1))
    assert client.post("/sign-in/code/", {"code": code(secret)}).status_code == 302


def test_a_session_from_before_shows_it_first(world: World) -> None:
    client, _ = sign_in(world.scientist)
    from accounts.actions import grant_role
    from accounts.permissions import Role

    assert client.get("/").status_code == 200
    grant_role(user=world.scientist, organisation=world.north, role=Role.STEWARD, by=TEST)
    secret = telephone(world.scientist)
    place = client.get("/account/")["Location"]
    assert place == "/account/confirm/code/?next=%2Faccount%2F"
    assert b"authenticator app" in client.get(place).content
    answer = client.post(place, {"code": code(secret), "next": "/account/"})
    assert answer["Location"] == "/account/"
    assert client.get("/account/").status_code == 200


def test_tokens_are_not_asked_for_it_but_were_made_with_it(world: World) -> None:
    for shown, status in ((True, 200), (False, 403)):
        _, token = issue_token(
            user=world.steward,
            name="t",
            scopes=["consortia:read"],
            lifetime=timedelta(days=1),
            factor_shown=shown,
            by=TEST,
        )
        answer = client_of().get("/api/v1/consortia/", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == status
    assert client_of(world.steward).get("/api/v1/consortia/").status_code == 403


def test_streams_are_no_way_around(world: World) -> None:
    from rest.errors import Forbidden
    from training.reading.event_stream import _session_user

    client, _ = sign_in(world.steward)
    with pytest.raises(Forbidden):
        _session_user({"cookie": f"sessionid={client.cookies['sessionid'].value}"})


def test_who_must_have_it_keeps_it(world: World) -> None:
    secret = telephone(world.steward)
    client, _ = sign_in(world.steward)
    client.post("/sign-in/code/", {"code": code(secret)})
    page = client.get("/account/second-factor/remove/")
    assert b"can&#x27;t be removed" in page.content
    client.post("/account/second-factor/remove/")
    assert Authenticator.objects.filter(user=world.steward, type="totp").exists()


def test_who_need_not_have_it_may_remove_it(world: World) -> None:
    secret = telephone(world.it)
    client, _ = sign_in(world.it)
    client.post("/sign-in/code/", {"code": code(secret)})
    assert client.post("/account/second-factor/remove/")["Location"] == "/account/"
    assert not Authenticator.objects.filter(user=world.it).exists()
    assert "user.second_factor_removed" in verbs(world.it)
    assert b"Set up a second factor" in client.get("/account/").content


def test_changing_it_asks_again_who_one_is(world: World) -> None:
    telephone(world.it)
    with_password(world.it)
    client = Client()
    client.force_login(world.it)
    for path in ("/account/second-factor/remove/", f"{CODES}new/", CODES.replace("recovery-codes", "set-up")):
        answer = client.get(path)
        assert answer["Location"].startswith(("/account/confirm/?next=", "/account/second-factor/remove/")), path
    asked = client.get("/account/second-factor/remove/")["Location"]
    assert b"Show that it is you" in client.get(asked).content
    assert b"password" in client.post(asked, {"password": "wrong"}).content
    gone = client.post(asked, {"password": PASSWORD, "next": "/account/second-factor/remove/"})
    assert gone["Location"] == "/account/second-factor/remove/"
    assert client.get(gone["Location"]).status_code == 200


def test_new_recovery_codes_end_the_old(world: World) -> None:
    client, _ = sign_in(world.steward)
    client.get(SET_UP)
    client.post(SET_UP, {"code": code(client.session["mfa.totp.secret"])})
    old = re.findall(r"\b\d{8}\b", client.get(CODES).content.decode())
    assert client.post(f"{CODES}new/")["Location"] == CODES
    new = re.findall(r"\b\d{8}\b", client.get(CODES).content.decode())
    assert len(set(new)) == 10
    assert not set(old) & set(new)
    assert "user.recovery_codes_renewed" in verbs(world.steward)


def test_a_lost_one_is_reset(world: World) -> None:
    telephone(world.steward)
    reset(user=world.steward, by=TEST)
    assert "user.second_factor_removed" in verbs(world.steward)
    with pytest.raises(Conflict):
        reset(user=world.steward, by=TEST)
    telephone(world.steward)
    with pytest.raises(Conflict):
        telephone(world.steward)


def test_the_setting_requires_a_second_factor(world: World, settings: Any) -> None:
    settings.SIGN_IN_TOTP_REQUIRED = False
    client, _ = sign_in(world.steward)
    assert client.get("/").status_code == 200


def test_what_is_sealed_opens_with_the_same_key_only(settings: Any) -> None:
    sealed = encrypt(SECRET)
    assert sealed != encrypt(SECRET)
    assert unseal(sealed) == SECRET
    for spoilt in (sealed[:-6] + "AAAAAA", "v2." + sealed[3:], "", "v1.", "v1.é"):
        with pytest.raises(Untrusted, match="SECRET_KEY"):
            unseal(spoilt)
    settings.SECRET_KEY = str(uuid4())
    with pytest.raises(Untrusted):
        unseal(sealed)


# RFC 6238, appendix B, SHA-1; the last six digits of its eight
RFC_6238 = [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")]


@pytest.mark.parametrize(("at", "digits"), RFC_6238)
def test_one_time_codes_equal_those_of_the_standard(at: int, digits: str) -> None:
    import base64

    secret = base64.b32encode(b"12345678901234567890").decode()
    assert codes.step_of(secret, digits, at) == at // 30
    assert codes.step_of(secret, digits, at + 30) == at // 30
    assert codes.step_of(secret, digits, at + 61) is None
