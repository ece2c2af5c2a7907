"""Pages of errors: what they say, what to do, and the id under which the log says more."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import pytest
from django.test import Client, RequestFactory

from config import errors
from config.logs import WithRequestId
from rest.errors import BadRequest, Conflict, Forbidden, NotFound, TooMany, Unavailable
from tests.support.world import World

ID = re.compile(r"[0-9a-f]{12}")


def browser(world: World) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(world.it)
    return client


def fail_home(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(user: object) -> None:
        raise error

    monkeypatch.setattr("dashboards.views.consortia_visible_to", fail)


@pytest.mark.parametrize(
    ("error", "status", "todo"),
    [
        (Forbidden("a.b", "Said so."), 403, "Ask an administrator"),
        (NotFound("a.b", "Said so."), 404, "Check the address"),
        (Conflict("a.b", "Said so."), 409, "Go back and try again"),
        (TooMany("a.b", "Said so.", headers={"Retry-After": "90"}), 429, "Wait 2 minutes."),
        (Unavailable("a.b", "Said so.", headers={"Retry-After": "5"}), 503, "Load this page again"),
        (BadRequest("a.b", "Said so."), 400, "load the page again"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_a_page_says_what_to_do_and_an_id(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Any, status: int, todo: str
) -> None:
    fail_home(monkeypatch, error)
    answer = browser(world).get("/")
    page = answer.content.decode()
    assert answer.status_code == status
    assert ID.fullmatch(answer["X-Request-Id"])
    assert answer["X-Request-Id"] in page
    assert "Said so." in page
    assert "a.b" in page
    assert todo in page
    assert answer.get("Retry-After") == error.headers.get("Retry-After")


def test_the_log_line_of_our_own_fault_has_the_id_of_its_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_home(monkeypatch, KeyError("secret detail"))
    lines: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record)

    keep = Keep()
    keep.addFilter(WithRequestId())
    logging.getLogger("django.request").addHandler(keep)
    try:
        answer = browser(world).get("/")
    finally:
        logging.getLogger("django.request").removeHandler(keep)
    assert answer.status_code == 500
    assert answer["X-Request-Id"] in answer.content.decode()
    assert "secret detail" not in answer.content.decode()
    assert [getattr(line, "request_id", "") for line in lines] == [answer["X-Request-Id"]]


def test_every_request_has_another_id(world: World) -> None:
    client = browser(world)
    assert client.get("/")["X-Request-Id"] != client.get("/", headers={"X-Request-Id": "chosen"})["X-Request-Id"]


def test_what_can_t_be_read_is_reported_without_a_database() -> None:
    request = RequestFactory().get("/")
    request.request_id = "0123456789ab"  # type: ignore[attr-defined]
    for answer in (errors.bad_request(request, ValueError()), errors.broken(request)):
        assert b"0123456789ab" in answer.content


def test_a_host_that_is_none_of_ours(db: None) -> None:
    answer = Client(raise_request_exception=False).get("/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert b"request.malformed" in answer.content


@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators")
def test_maintenance_is_answered_with_503(world: World, settings: Any) -> None:
    client = browser(world)
    settings.MAINTENANCE = True
    page = client.get("/")
    assert (page.status_code, page["Retry-After"]) == (503, "120")
    assert b"jobs go on from where they are" in page.content
    assert page["X-Request-Id"] in page.content.decode()
    assert client.get("/sign-in/").status_code == 503
    machine = client.get("/api/v1/consortia/")
    assert (machine.status_code, machine.json()["code"]) == (503, "maintenance")
    assert client.get("/health/").status_code != 503
    settings.MAINTENANCE = False
    assert client.get("/").status_code == 200
    settings.MAINTENANCE = True
    static = client.get("/static/css/base.css")
    assert b"box-sizing" in b"".join(static)


def test_maintenance_holds_connectors_and_streams_too(settings: Any) -> None:
    from config.asgi import application

    settings.MAINTENANCE = True
    rows: list[Any] = []

    async def ask(path: str) -> None:
        sent: list[None] = []

        async def receive() -> dict[str, Any]:
            if sent:
                await asyncio.sleep(60)
            sent.append(None)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            rows.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(b"host", b"testserver")],
        }
        await application(scope, receive, send)

    for path in ("/connector/v1/orders", "/api/v1/jobs/00000000-0000-0000-0000-000000000000/events/"):
        rows.clear()
        asyncio.run(ask(path))
        assert rows[0]["status"] == 503
        assert b"maintenance" in rows[1]["body"]
    rows.clear()
    asyncio.run(ask("/health/live"))
    assert rows[0]["status"] == 200
