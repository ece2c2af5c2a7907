"""The one LISTEN connection of a process: by every option, and not for ever with a server that is gone."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import uvloop
from django.db import connections

from config import health
from demo.postgres import SOCKET_NAME
from demo.services import Services
from realtime import database, hub, notices
from tests.support.live_platform import Client, serving
from tests.support.silenced import Way, way_to

SUBJECT = uuid4()
AT_MOST_S = 120
"""Not what is expected: after so long a test that would wait for ever gives up."""


@pytest.fixture
def settings_of(services: Services, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Where the database is, for a test to change."""
    known = connections["default"].settings_dict
    monkeypatch.setitem(known, "NAME", "postgres")
    monkeypatch.setitem(known, "OPTIONS", dict(known["OPTIONS"]))
    for name in ("HOST", "PORT"):
        monkeypatch.setitem(known, name, known[name])
    return known


@pytest.fixture
def direct(settings_of: dict[str, Any]) -> Iterator[psycopg.Connection]:
    """A connection over the socket, whatever is changed later."""
    with psycopg.connect(**database.libpq_parameters(), autocommit=True) as connection:
        yield connection


@pytest.fixture
def way(services: Services, direct: psycopg.Connection, settings_of: dict[str, Any]) -> Iterator[Way]:
    """The database behind TCP."""
    with way_to(str(services.postgres.socket_folder / SOCKET_NAME)) as way:
        settings_of["HOST"], settings_of["PORT"] = "127.0.0.1", str(way.port)
        yield way


def notify(direct: psycopg.Connection) -> None:
    direct.execute("SELECT pg_notify(%s, %s)", [notices.JOBS, str(SUBJECT)])


async def woken(news: asyncio.Event) -> None:
    async with asyncio.timeout(AT_MOST_S):
        await news.wait()
    news.clear()


def test_a_server_that_has_gone_silent_is_noticed_and_everybody_looks_again(
    way: Way, direct: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "PROBE_S", 0.3, raising=False)
    ours = hub.Hub()

    async def wait() -> None:
        with ours.waiting(notices.JOBS, SUBJECT) as news:
            await woken(news)  # it listens
            notify(direct)
            await woken(news)
            assert way.silence() == 1
            notify(direct)
            await woken(news)  # by the new connection, since nobody knows what was missed
            assert len(way.open) >= 2
            notify(direct)
            await woken(news)
        await ours.close()

    asyncio.run(wait())


def test_a_socket_that_gets_the_number_of_a_lost_connection_s_is_read(direct: psycopg.Connection) -> None:
    """A loop that still watches the lost one's number would not read the next client who gets it."""

    async def wait() -> None:
        lost = hub._notices()
        async with asyncio.timeout(AT_MOST_S):
            assert await anext(lost) == [(None, "")]
            listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = %s"
            assert direct.execute(listening, [f"LISTEN {notices.JOBS}"]).fetchall() == [(True,)]
            with pytest.raises(psycopg.OperationalError):
                await anext(lost)
        ours, client = socket.socketpair()  # the first one gets the lowest number that is free
        with client:
            reader, writer = await asyncio.open_connection(sock=ours)
            client.sendall(b"GET")
            async with asyncio.timeout(AT_MOST_S):
                assert await reader.readexactly(3) == b"GET"
            writer.close()
            await writer.wait_closed()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(wait())


def test_a_server_that_is_only_quiet_is_kept(
    way: Way, direct: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "PROBE_S", 0.3)
    ours = hub.Hub()
    pid = "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT 1' AND pid <> pg_backend_pid() AND state = 'idle'"

    async def wait() -> None:
        with ours.waiting(notices.JOBS, SUBJECT) as news:
            await woken(news)
            probed: set[int] = set()
            async with asyncio.timeout(AT_MOST_S):
                while not probed:
                    probed = {row[0] for row in direct.execute(pid)}
                    await asyncio.sleep(0.05)
            notify(direct)
            await woken(news)
        await ours.close()

    asyncio.run(wait())
    assert len(way.open) == 1


def test_listening_and_health_go_by_every_option(
    way: Way, settings_of: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The server of these tests has no TLS: where TLS is required nothing may be sent to it."""
    monkeypatch.setattr(health, "FRESH_S", 0.0)
    settings_of["OPTIONS"]["sslmode"] = "require"
    ours = hub.Hub()

    async def wait() -> None:
        with caplog.at_level(logging.WARNING, hub.__name__), ours.waiting(notices.JOBS, SUBJECT) as news:
            async with asyncio.timeout(AT_MOST_S):
                while "does not support SSL" not in caplog.text and not news.is_set():
                    await asyncio.sleep(0.05)
            assert not news.is_set()
        await ours.close()

    asyncio.run(wait())
    with serving() as port:
        assert Client(port).send("GET", health.READY).json["away"] == ["database"]
        settings_of["OPTIONS"]["sslmode"] = "disable"
        assert Client(port).send("GET", health.READY).status == 200


def test_a_host_that_is_away_is_passed_over(
    services: Services, settings_of: dict[str, Any], direct: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "FRESH_S", 0.0)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        settings_of["HOST"] = f"127.0.0.1,{services.postgres.socket_folder}"
        settings_of["PORT"] = f"{nobody.getsockname()[1]},5432"
        settings_of["OPTIONS"]["target_session_attrs"] = "read-write"
        ours = hub.Hub()

        async def wait() -> None:
            with ours.waiting(notices.JOBS, SUBJECT) as news:
                await woken(news)
                notify(direct)
                await woken(news)
            await ours.close()

        asyncio.run(wait())
        with serving() as port:
            assert Client(port).send("GET", health.READY).status == 200
