"""Signing in by an identity provider: a small one on the loopback interface, spoken to over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from accounts.actions import deactivate_user, set_password
from accounts.models import User
from audit.models import Event
from tests.support.patience import FAILS_AFTER_S
from tests.support.second_factors import code, telephone
from tests.support.world import TEST, World

CLIENT_ID = "consilience"
SIGNING_KEY = "a key of the provider's own, long enough for it"
LOGIN = "/sign-in/with/oidc/login/"


@dataclass
class Provider:
    """What it says of the one who signs in there, and what it was asked."""

    url: str
    claims: dict[str, Any] = field(default_factory=dict)
    asked: list[dict[str, list[str]]] = field(default_factory=list)

    def answer(self, path: str, body: str) -> dict[str, Any]:
        if path == "/.well-known/openid-configuration":
            places = {"authorization": "authorize", "token": "token", "userinfo": "userinfo"}
            found: dict[str, Any] = {f"{name}_endpoint": f"{self.url}/{place}" for name, place in places.items()}
            return found | {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            }
        if path == "/token":
            self.asked.append(parse_qs(body))
            claims = {"iss": self.url, "aud": CLIENT_ID, "exp": 4102444800, "iat": 1, **self.claims}
            signed = jwt.encode(claims, SIGNING_KEY, "HS256")
            return {"access_token": "opaque", "token_type": "Bearer", "id_token": signed}
        return self.claims


@pytest.fixture
def provider(settings: Any) -> Iterator[Provider]:
    """It runs, and the platform is configured for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply("")

        def do_POST(self) -> None:
            self.reply(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def reply(self, body: str) -> None:
            statement = json.dumps(running.answer(self.path, body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(statement)))
            self.end_headers()
            self.wfile.write(statement)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = Provider(f"http://127.0.0.1:{server.server_port}")
    app = {
        "provider_id": "oidc",
        "name": "St. Example",
        "client_id": CLIENT_ID,
        "secret": "s",
        "settings": {"server_url": running.url},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield running
    server.shutdown()
    server.server_close()
    thread.join(FAILS_AFTER_S)


def come(provider: Provider, query: str = "", client: Client | None = None, **claims: Any) -> tuple[Client, Any]:
    """A browser goes there and comes back."""
    provider.claims = {"sub": "1234", "email": "it@example.org", "email_verified": True, "name": "It", **claims}
    client = client or Client()
    there = client.get(LOGIN + query)
    assert there.status_code == 302
    wanted = parse_qs(urlsplit(there["Location"]).query)
    assert there["Location"].startswith(f"{provider.url}/authorize?")
    assert wanted["redirect_uri"] == [f"http://testserver{LOGIN}callback/"]
    assert wanted["code_challenge_method"] == ["S256"]
    return client, client.get(f"{LOGIN}callback/", {"code": "c", "state": wanted["state"][0]})


def test_who_has_an_account_with_that_address(world: World, provider: Provider) -> None:
    assert b"Sign in with St. Example" in Client().get("/sign-in/").content
    set_password(user=world.it, password="correct horse battery staple", by=TEST)
    client, answer = come(provider, "?next=/account/")
    assert answer["Location"] == "/account/"
    assert client.get("/account/").status_code == 200
    assert provider.asked[0]["client_secret"] == ["s"]
    verbs = list(Event.objects.filter(actor_id=str(world.it.pk)).values_list("verb", flat=True))
    assert {"user.identity_tied", "user.signed_in"} <= set(verbs)
    assert User.objects.get(pk=world.it.pk).has_usable_password()
    _, again = come(provider, email="new-name@example.org")
    assert again["Location"] == "/"
    assert SocialAccount.objects.count() == 1


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "stranger@example.org"},
        {"email_verified": False},
        {"email_verified": "false"},
        {"email_verified": "true"},
        {"email": ""},
    ],
    ids=["unknown", "unconfirmed", "text false", "text true", "none"],
)
def test_who_has_none_gets_none(world: World, provider: Provider, claims: dict[str, Any]) -> None:
    people = User.objects.count()
    client, answer = come(provider, **claims)
    assert answer["Location"] == "/sign-in/"
    assert b"Nobody here has an account" in client.get("/sign-in/").content
    assert client.get("/").status_code == 302
    assert User.objects.count() == people
    assert not SocialAccount.objects.exists()


def test_a_closed_account_stays_closed(world: World, provider: Provider) -> None:
    come(provider)
    deactivate_user(user=world.it, by=TEST)
    client, answer = come(provider)
    assert answer["Location"] == "/sign-in/"
    assert client.get("/").status_code == 302


def test_another_identity_with_a_taken_address_is_refused(world: World, provider: Provider) -> None:
    come(provider)
    _, answer = come(provider, sub="another")
    assert answer["Location"] == "/sign-in/"


def test_nobody_ties_a_strange_identity_to_their_account(world: World, provider: Provider) -> None:
    client = Client()
    client.force_login(world.nobody)
    _, answer = come(provider, "?process=connect", client, email="it@example.org")
    assert answer["Location"] == "/sign-in/"
    assert not SocialAccount.objects.exists()


def test_the_second_factor_is_asked_for_all_the_same(world: World, provider: Provider, settings: Any) -> None:
    settings.SIGN_IN_TOTP_REQUIRED = True
    secret = telephone(world.steward)
    client, answer = come(provider, email="steward@example.org")
    assert answer["Location"] == "/sign-in/code/"
    assert client.post("/sign-in/code/", {"code": code(secret)})["Location"] == "/"
    assert client.get("/").status_code == 200


def test_what_goes_wrong_there_is_reported_here(world: World, provider: Provider) -> None:
    client = Client()
    for query in ({"code": "c", "state": "made-up"}, {"error": "server_error"}, {"error": "access_denied"}):
        assert client.get(f"{LOGIN}callback/", query)["Location"] == "/sign-in/"
    assert b"did not work" in client.get("/sign-in/").content


def test_sign_in_offers_no_identity_provider_where_none_is_configured(world: World) -> None:
    assert b"Sign in with" not in Client().get("/sign-in/").content
    assert Client().get(LOGIN).status_code == 404
