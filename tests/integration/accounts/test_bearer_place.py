"""A header that says "token" is no way around the second factor, and is taken by REST alone."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from django.test import Client

from accounts.models import User
from rest.bearer import presents_bearer
from tests.support.in_process import ask
from tests.support.world import World, client_of

HEADERS = ("Bearer anything", "bearer x", "BEARER  x", "Bearer\tx", "Bearer", "Basic eDp5, Bearer x", " bearer x")


@pytest.fixture(autouse=True)
def required(settings: Any) -> None:
    settings.SIGN_IN_TOTP_REQUIRED = True


def without_factor(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("authorization", HEADERS)
def test_pages_refuse_a_bearer_token_and_do_nothing(world: World, authorization: str) -> None:
    client = without_factor(world.administrator)
    headers = {"authorization": authorization}
    body = {"email": "new@example.org", "full_name": "New", "role": "auditor"}
    people = f"/organisations/{world.north.pk}/people/"
    for answer in (client.get("/", headers=headers), client.post(people, body, headers=headers)):
        assert (answer.status_code, answer.json()["code"]) == (400, "bearer.wrong_path")
    assert not User.objects.filter(email="new@example.org").exists()


@pytest.mark.parametrize("authorization", [*HEADERS, "Token x", "Basic eDp5", ""])
def test_rest_takes_no_session_without_its_factor_whatever_the_header(world: World, authorization: str) -> None:
    client = without_factor(world.administrator)
    answer = client.get("/api/v1/consortia/", headers={"authorization": authorization})
    expected = (401, "token.unknown") if presents_bearer(authorization) else (403, "second_factor.required")
    assert (answer.status_code, answer.json()["code"]) == expected


def test_another_scheme_leaves_pages_to_the_session(world: World) -> None:
    client = without_factor(world.administrator)
    for authorization in ("Token x", "Basic eDp5"):
        answer = client.get("/", headers={"authorization": authorization})
        assert answer["Location"].startswith("/account/second-factor/set-up/")
    assert client_of(world.it).get("/", headers={"authorization": "Token x"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/connector/v1/heartbeat", "/blobs/x", "/uploads/x/y", "/health/live", "/", "/static/x"]
)
def test_what_django_does_not_answer_refuses_it_too(db: None, path: str) -> None:
    request = requests.Request("POST", f"http://testserver{path}", headers={"authorization": "bEaReR x"})
    answer = ask(request.prepare())
    assert (answer.status_code, answer.json()["code"]) == (400, "bearer.wrong_path")
