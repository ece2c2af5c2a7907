"""Acts that others' access hangs on: done by somebody at a browser who has just shown their second factor."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.actions import grant_role
from accounts.models import ApiToken, Scope, User
from accounts.permissions import Role
from accounts.second_factor.requirements import FRESH_S
from accounts.tokens import issue_token
from audit.models import Event
from demo.services import ROOT
from rest.permissions import SESSION_ONLY
from tests.integration.rest.endpoints import Endpoint
from tests.integration.rest.offer_endpoints import EVERY_ENDPOINT
from tests.support.second_factors import code, showed, telephone
from tests.support.world import TEST, World, client_of

NOT_FRESH = {"DELETE api-token"}
"""Sessions only, and without a fresh factor: what takes access away from oneself."""
ELSEWHERE = {"POST api-silo-confirm"}
"""Asked below, as it is of another app."""
SESSION_ACTS = [
    endpoint
    for endpoint in EVERY_ENDPOINT
    if endpoint.method != "get"
    and endpoint.name
    in {
        *("api-users", "api-user", "api-user-welcome", "api-organisation-roles", "api-organisation-role"),
        *("api-organisation-role-offer", "api-role-offer-accept", "api-role-offer-decline"),
        *("api-signatory-keys", "api-signatory-key", "api-tokens"),
        *("api-consortium-roles", "api-consortium-role", "api-offer-of-consortium"),
        *("api-consortium-role-offer-accept", "api-consortium-role-offer-decline"),
        *("api-participants", "api-leave", "api-remove", "api-accept"),
    }
]


@pytest.fixture
def required(settings: Any) -> None:
    settings.SIGN_IN_TOTP_REQUIRED = True


def reported(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.parametrize("endpoint", SESSION_ACTS, ids=str)
def test_no_token_does_it_nor_a_session_that_showed_its_factor_long_ago(
    world: World, required: None, endpoint: Endpoint
) -> None:
    who: User = getattr(world, endpoint.may[0])
    path, body = endpoint.path(world), endpoint.body(world) or None
    telephone(who)
    _, secret = issue_token(
        user=who, name="t", scopes=list(Scope), lifetime=timedelta(days=1), factor_shown=True, by=TEST
    )
    by_token, by_session = client_of(), client_of(who)
    showed(by_session, who, ago_s=FRESH_S + 1)
    before = Event.objects.count()
    send = getattr(by_token, endpoint.method)
    assert reported(send(path, body, format="json", headers={"authorization": f"Bearer {secret}"})) == (
        403,
        "scope.session_only",
    )
    assert reported(getattr(by_session, endpoint.method)(path, body, format="json")) == (
        403,
        "second_factor.not_recent",
    )
    assert Event.objects.count() == before
    showed(by_session, who)
    assert getattr(by_session, endpoint.method)(path, body, format="json").status_code == endpoint.status


def test_a_token_confirms_no_silo(world: World, required: None) -> None:
    path = "/api/v1/silos/00000000-0000-4000-8000-000000000000/confirm/"
    telephone(world.administrator)
    _, secret = issue_token(
        user=world.administrator,
        name="t",
        scopes=list(Scope),
        lifetime=timedelta(days=1),
        factor_shown=True,
        by=TEST,
    )
    client = client_of(world.administrator)
    showed(client, world.administrator, ago_s=FRESH_S + 1)
    assert reported(client.post(path)) == (403, "second_factor.not_recent")
    assert reported(client_of().post(path, headers={"authorization": f"Bearer {secret}"})) == (
        403,
        "scope.session_only",
    )


def _session_only(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from _session_only(entry.url_patterns)
            continue
        scopes = getattr(getattr(entry.callback, "cls", None), "scopes", {})
        yield from (f"{method} {entry.name}" for method, scope in scopes.items() if scope == SESSION_ONLY)


def test_no_act_of_sessions_is_left_out() -> None:
    asked = {f"{endpoint.method.upper()} {endpoint.name}" for endpoint in SESSION_ACTS}
    assert set(_session_only(get_resolver().url_patterns)) == asked | NOT_FRESH | ELSEWHERE


def test_a_form_is_kept_while_the_factor_is_shown_again(world: World, required: None) -> None:
    secret = telephone(world.administrator)
    client = Client()
    client.force_login(world.administrator)
    showed(client, world.administrator, ago_s=FRESH_S + 1)
    people = f"/organisations/{world.north.pk}/people/"
    body = {"email": "new@example.org", "full_name": "New", "role": "auditor"}
    asked = client.post(people, body)["Location"]
    assert asked.startswith("/account/confirm/code/?next=")
    assert not User.objects.filter(email="new@example.org").exists()
    client.get(asked)
    done = client.post(asked, {"code": code(secret), "next": people}, follow=True)
    assert done.status_code == 200
    assert b"An invitation is on its way to new@example.org." in done.content
    assert User.objects.filter(email="new@example.org").count() == 1


PAGE_ACTS = [
    "/organisations/{north}/people/",
    "/organisations/{north}/people/{it}/welcome/",
    "/organisations/{north}/signatory-keys/",
    "/consortia/{consortium}/roles/",
    "/consortia/{consortium}/invite/",
    "/consortia/{consortium}/participants/{south}/remove/",
    "/account/tokens/",
]


@pytest.mark.parametrize("path", PAGE_ACTS)
def test_pages_ask_for_it_before_anything_else(world: World, required: None, path: str) -> None:
    telephone(world.administrator)
    client = Client()
    client.force_login(world.administrator)
    showed(client, world.administrator, ago_s=FRESH_S + 1)
    ids = {name: getattr(world, name).pk for name in ("north", "south", "consortium", "it")}
    before = Event.objects.count()
    answer = client.post(path.format(**ids), {})
    assert answer["Location"].startswith("/account/confirm/code/?next=")
    assert Event.objects.count() == before


def test_a_session_from_before_this_was_asked_is_not_fresh(world: World, required: None) -> None:
    telephone(world.administrator)
    client = client_of(world.administrator)
    showed(client, world.administrator)
    session = client.session
    del session["second_factor_shown_at"]
    session.save()
    assert client.get("/api/v1/users/").status_code == 200
    assert reported(client.post("/api/v1/users/", {}, format="json")) == (403, "second_factor.not_recent")


def test_a_token_made_before_its_owner_became_an_administrator_stops(world: World, required: None) -> None:
    client = client_of(world.it)
    body = {"name": "t", "scopes": ["account:read"]}
    before = client.post("/api/v1/tokens/", body, format="json").json()
    assert before["second_factor_verified"] is False
    bearer = {"authorization": f"Bearer {before['token']}"}
    assert client_of().get("/api/v1/me/", headers=bearer).status_code == 200
    grant_role(user=world.it, organisation=world.north, role=Role.ORGANISATION_ADMINISTRATOR, by=TEST)
    assert reported(client_of().get("/api/v1/me/", headers=bearer)) == (403, "token.without_second_factor")
    telephone(world.it)
    showed(client, world.it)
    after = client.post("/api/v1/tokens/", body, format="json").json()
    assert after["second_factor_verified"] is True
    assert client_of().get("/api/v1/me/", headers={"authorization": f"Bearer {after['token']}"}).status_code == 200
    client.post("/account/tokens/", {"name": "by page", "scopes": ["account:read"], "lifetime_days": 7})
    assert ApiToken.objects.get(name="by page").factor_shown


def test_doors_offer_roles_and_never_grant_them_at_once() -> None:
    at_once = {"grant_role", "grant_consortium_role"}
    may = {"accounts/role_offers.py", "consortia/role_offers.py"}
    platform = ROOT / "platform"

    def names(path: Path) -> set[str]:
        found = ast.walk(ast.parse(path.read_text()))
        return {alias.name for node in found if isinstance(node, ast.ImportFrom) for alias in node.names}

    importing = {str(path.relative_to(platform)) for path in platform.rglob("*.py") if names(path) & at_once}
    assert importing == may
