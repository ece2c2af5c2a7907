"""The health addresses: for anybody, over real HTTP, with a database and a broker that are there, gone or stuck."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from config import health
from demo.services import ROOT, Services
from tests.support.live_platform import Answer, Client, serving


@pytest.fixture
def port(services: Services) -> Iterator[int]:
    with serving() as port:
        yield port


@pytest.fixture
def database(services: Services, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Where the database is: a server that is up, whatever a test changes of it."""
    known = connections["default"].settings_dict
    monkeypatch.setitem(known, "NAME", "postgres")
    monkeypatch.setattr(health, "FRESH_S", 0.0)
    return known


@pytest.fixture
def silent() -> Iterator[int]:
    """A port at which somebody listens who never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield int(listener.getsockname()[1])


def ask(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    return Client(port).send(method, path, headers=headers)


def test_health_is_ok_when_all_services_answer(port: int, database: dict[str, Any]) -> None:
    for path, status in ((health.LIVE, "live"), (health.READY, "ready")):
        answer = ask(port, path)
        assert (answer.status, answer.json) == (200, {"status": status})
        assert answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        assert ask(port, path, Host="10.0.0.7:8000").status == 200, "a load balancer asks by address"
        head = ask(port, path, "HEAD")
        assert (head.status, head.body) == (200, b"")


def test_the_container_asks_whether_it_is_ready() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    assert f"'GET', '{health.READY}'" in compose
    assert "/sign-in/" not in compose


def test_health_only_answers_get(port: int) -> None:
    for path in (health.LIVE, health.READY):
        answer = ask(port, path, "POST")
        assert (answer.status, answer.code, answer.headers["allow"]) == (405, "method.not_allowed", "GET, HEAD")


def test_readiness_names_a_database_that_is_away(
    port: int, database: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place, password = database["HOST"], database["PASSWORD"]
    monkeypatch.setitem(database, "HOST", str(tmp_path))
    assert ask(port, health.LIVE).status == 200
    answer = ask(port, health.READY)
    assert (answer.status, answer.code, answer.json["away"]) == (503, "health.not_ready", ["database"])
    assert answer.headers["retry-after"] == "5"
    text = answer.body.decode()
    assert place
    assert password
    assert not [secret for secret in (place, password, str(tmp_path)) if secret in text]
    assert not re.search(r"\d\.\d", text), "no versions"
    monkeypatch.setitem(database, "HOST", place)
    assert ask(port, health.READY).status == 200


def test_readiness_names_a_broker_that_is_away(
    port: int, database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "CELERY_BROKER_URL", "redis://:a-secret@127.0.0.1:1/0")
    answer = ask(port, health.READY)
    assert (answer.status, answer.json["away"]) == (503, ["broker"])
    assert "a-secret" not in answer.body.decode()


def test_what_is_stuck_is_away_and_is_not_waited_for(
    port: int, database: dict[str, Any], monkeypatch: pytest.MonkeyPatch, silent: int
) -> None:
    monkeypatch.setitem(database, "HOST", "127.0.0.1")
    monkeypatch.setitem(database, "PORT", str(silent))
    monkeypatch.setattr(settings, "CELERY_BROKER_URL", f"redis://127.0.0.1:{silent}/0")
    answer = ask(port, health.READY)
    assert (answer.status, answer.json["away"]) == (503, ["database", "broker"])


def test_however_many_ask_the_services_are_asked_once(
    port: int, database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FRESH_S", 60.0)
    counted: list[None] = []
    connect = psycopg.AsyncConnection.connect

    async def counting(**parameters: Any) -> Any:
        counted.append(None)
        return await connect(**parameters)

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", counting)
    with ThreadPoolExecutor(8) as threads:
        assert [one.status for one in threads.map(lambda _: ask(port, health.READY), range(24))] == [200] * 24
    assert len(counted) == 1
