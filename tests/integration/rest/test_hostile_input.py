"""What no client of ours sends: it gets a problem detail that says so, and never a 5xx."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from consortia.models import Consortium
from tests.support.world import World

LISTS = ("organisations/", "users/", "tokens/", "consortia/", "invitations/", "events/")
NUL, HALF = "\0", "\ud800"


@pytest.fixture
def client(world: World) -> APIClient:
    """The administrator's, to which a crash is an answer like any other."""
    found = APIClient(raise_request_exception=False)
    found.force_login(world.administrator)
    return found


def checked(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The problem detail, if it is the one that is due."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["type"] == f"urn:consilience:problem:{code}"
    assert problem["title"]
    assert problem["detail"]
    return problem


def cursor(text: str) -> str:
    """A cursor of this content."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "text",
    [
        "x",
        "ÿ",
        "%00",
        "=" * 50,
        "A" * 5000,
        cursor("p="),
        cursor("p=%00"),
        cursor("p=rubbish%00rubbish"),
        cursor("o=-1"),
        cursor("o=99999999999999999999999999"),
        cursor("r=maybe"),
    ],
    ids=lambda text: text[:20],
)
def test_an_absurd_cursor_is_refused(client: APIClient, path: str, text: str) -> None:
    answer = client.get(f"/api/v1/{path}", {"cursor": text})
    if answer.status_code != 200:  # a position is any text where the order is by name
        checked(answer, 422, "cursor.invalid")


@pytest.mark.parametrize(
    ("path", "position"),
    [
        ("events/", "rubbish"),
        ("events/", "1" * 400),
        ("events/", "1" * 5000),
        ("events/", "1.5"),
        ("tokens/", "rubbish"),
        ("tokens/", "2026-01-01 00:00:00"),
        ("tokens/", "9999-12-31 23:59:59+99:99"),
        ("tokens/", "2026-02-31 00:00:00+00:00"),
    ],
)
def test_a_cursor_of_another_list(client: APIClient, path: str, position: str) -> None:
    answer = client.get(f"/api/v1/{path}", {"cursor": cursor(f"p={position}")})
    if position == "1" * 400:
        assert answer.status_code == 200  # an id that no row can have: nothing is after it
    else:
        checked(answer, 422, "cursor.invalid")


@pytest.mark.parametrize("size", ["0", "-1", "201", "1e3", "٣", "9" * 5000, "", " "])
def test_an_absurd_page_size_is_refused(client: APIClient, size: str) -> None:
    problem = checked(client.get("/api/v1/events/", {"page_size": size}), 422, "page_size.invalid")
    assert list(problem["fields"]) == ["page_size"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("consortium", "rubbish"),
        ("organisation", "x" * 3000),
        ("consortium", NUL),
        ("job", "1"),
        ("job", NUL),
        ("since", "yesterday"),
        ("since", "99999-01-01T00:00:00Z"),
        ("until", "2026-01-01T00:00:00+99:00"),
        ("since", NUL),
        ("verb", NUL),
        ("subject_id", NUL),
        ("actor_kind", "god"),
    ],
)
def test_an_absurd_filter_is_refused(client: APIClient, name: str, value: str) -> None:
    problem = checked(client.get("/api/v1/events/", {name: value}), 422, "input.invalid")
    assert list(problem["fields"]) == [name]


@pytest.mark.parametrize(
    "path",
    [
        "organisations/not-a-uuid/",
        "organisations/%00/",
        "organisations/00000000-0000-0000-0000-000000000000/",
        "consortia/" + "a" * 2000 + "/",
        "consortia/%ff%fe/",
        "consortia/..%2f..%2fetc/passwd",
        "nowhere/",
        "",
    ],
)
def test_an_unknown_address_is_not_found_as_a_problem(client: APIClient, path: str) -> None:
    answer = client.get(f"/api/v1/{path}")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 422, "input.invalid"),
        (b"{", 400, "request.malformed"),
        (b"\xff\xfe\x00", 400, "request.malformed"),
        (b"[]", 400, "request.not_an_object"),
        (b"null", 400, "request.not_an_object"),
        (b'"text"', 400, "request.not_an_object"),
        (b"NaN", 400, "request.malformed"),
        (b'{"name": 1e999}', 400, "request.not_finite"),
        (b'{"name": -Infinity}', 400, "request.malformed"),
        (b'{"name": ' + b"9" * 5000 + b"}", 400, "request.malformed"),
        (b'{"name": "a\\u0000b"}', 400, "request.nul"),
        (b'{"na\\u0000me": "a"}', 400, "request.nul"),
        (b'{"name": "\\ud800"}', 400, "request.not_unicode"),
        (b'{"name": {"a": ["\\udfff"]}}', 400, "request.not_unicode"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, 400, "request.too_deep"),
        (b'{"a":' + b"[" * 100_000, 400, "request.too_deep"),
        (b'{"a":' + b"[" * 45 + b"]" * 45 + b"}", 400, "request.too_deep"),
        (b"{}", 422, "input.invalid"),
        (b'{"name": null, "slug": [], "description": {}}', 422, "input.invalid"),
        (b'{"name": "n", "slug": "s", "unheard_of": 1}', 422, "input.invalid"),
        (b'{"name": "n", "slug": "-s-"}', 422, "input.invalid"),
        (b'{"name": "' + b"n" * 201 + b'", "slug": "s"}', 422, "input.invalid"),
        (b'{"name": "n", "slug": "s", "organisation": "x"}', 422, "input.invalid"),
        (b'{"name": "n", "slug": "a\\nb"}', 422, "input.invalid"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_absurd_body_is_refused(client: APIClient, body: bytes, status: int, code: str) -> None:
    before = Consortium.objects.count()
    checked(client.post("/api/v1/consortia/", body, content_type="application/json"), status, code)
    assert Consortium.objects.count() == before


def test_an_enormous_body_is_refused(client: APIClient) -> None:
    body = b'{"name": "' + b"n" * (6 << 20) + b'"}'
    checked(client.post("/api/v1/consortia/", body, content_type="application/json"), 413, "request.too_large")


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "rubbish"])
def test_a_media_type_that_we_dont_read(client: APIClient, media_type: str) -> None:
    answer = client.generic("POST", "/api/v1/consortia/", "{}", content_type=media_type)
    checked(answer, 415, "media_type.unsupported")


def test_a_media_type_that_we_dont_write(client: APIClient) -> None:
    checked(client.get("/api/v1/me/", HTTP_ACCEPT="image/png"), 406, "media_type.not_acceptable")


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer cns_",
        "Bearer cns_" + "x" * 43,
        "Bearer cns_" + "x" * 100_000,
        "Bearer cns_\xff\xfe",
        "Bearer cns_a cns_b",
        "bearer cns_\0",
    ],
    ids=lambda text: text[:20],
)
def test_a_token_that_is_none(world: World, authorization: str) -> None:
    client = APIClient(raise_request_exception=False)
    answer = client.get("/api/v1/me/", HTTP_AUTHORIZATION=authorization)
    checked(answer, 401, "token.unknown")
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 256, "\0"])
def test_an_idempotency_key_that_is_none(client: APIClient, key: str) -> None:
    body = {"name": "n", "slug": "s"}
    answer = client.post("/api/v1/consortia/", body, format="json", HTTP_IDEMPOTENCY_KEY=key)
    checked(answer, 400, "idempotency.key_invalid")


@pytest.mark.parametrize("path", ["/api/v1/me/", "/"])
@pytest.mark.parametrize("session", ["\0" * 32, '"\\000\\000\\000\\000\\000\\000\\000\\000"', "é" * 32, "x" * 5000])
def test_a_session_that_is_none(world: World, path: str, session: str) -> None:
    client = APIClient(raise_request_exception=False, headers={"cookie": f"sessionid={session}"})
    assert client.get(path).status_code in {401, 302}


@pytest.mark.parametrize("host", ["evil.example", "a b", "\0"])
def test_a_host_that_is_not_ours(client: APIClient, host: str) -> None:
    checked(client.get("/api/v1/me/", HTTP_HOST=host), 400, "request.malformed")


def test_every_text_of_a_body_survives(client: APIClient) -> None:
    """What is unusual and right is taken as it is."""
    name = "Île 病院 🫀 ' OR 1=1 -- <script> {{ 7*7 }} %s \\"
    body = json.dumps({"description": name})
    consortium = Consortium.objects.get(slug="hearts")
    answer = client.patch(f"/api/v1/consortia/{consortium.pk}/", body, content_type="application/json")
    assert answer.json()["description"] == name
