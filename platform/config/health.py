"""Whether the platform is well, for the operator: asked without signing in, and often.

`/health/live` says that this process answers, `/health/ready` that what it stands on does too. Neither touches Django's
middleware, threads or connection pool: they answer also where those are exhausted. What is away is named, never why.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable

import psycopg
from django.conf import settings
from redis.asyncio import Redis

from realtime import database
from realtime.http import Receive, Refused, Scope, Send, answer, answer_json, answer_problem

log = logging.getLogger(__name__)
LIVE, READY = "/health/live", "/health/ready"
PATHS = {LIVE, READY}
PATIENCE_S = 1.0
HOST_PATIENCE_S = 2  # for each further host of the database that may have to be passed over
FRESH_S = 1.0  # anybody may ask: however many do, the services are asked once in this time


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer either address."""
    if scope["method"] not in {"GET", "HEAD"}:
        await answer_problem(send, Refused(405, "method.not_allowed", "Ask with GET.", [(b"allow", b"GET, HEAD")]))
    elif scope["path"] == LIVE:
        await answer_json(send, 200, {"status": "live"})
    elif away := await _readiness.away():
        await answer(send, 503, _problem(away), b"application/problem+json", [(b"retry-after", b"5")])
    else:
        await answer_json(send, 200, {"status": "ready"})


def _problem(away: list[str]) -> bytes:
    code = "health.not_ready"
    problem = {
        "type": f"urn:consilience:problem:{code}",
        "title": "Service Unavailable",
        "status": 503,
        "code": code,
        "detail": f"Does not answer: {', '.join(away)}. Start it, or repair the way to it.",
        "away": away,
    }
    return json.dumps(problem).encode()


class Readiness:
    """What is away, found out once for all who ask at about the same time."""

    def __init__(self) -> None:
        self._found: asyncio.Task[list[str]] | None = None
        self._asked_at = 0.0

    async def away(self) -> list[str]:
        """The names of the services that do not answer in time: a second, and more for a database of many hosts."""
        loop = asyncio.get_running_loop()
        found = self._found
        if found is None or found.get_loop() is not loop or (found.done() and loop.time() - self._asked_at >= FRESH_S):
            self._asked_at = loop.time()
            found = self._found = loop.create_task(_away(), name="readiness")
        return await asyncio.shield(found)


_readiness = Readiness()


async def _away() -> list[str]:
    others = str(database.libpq_parameters().get("host", "")).count(",")
    asked = {
        "database": _answers("database", _ask_database, PATIENCE_S + others * HOST_PATIENCE_S),
        "broker": _answers("broker", _ask_broker, PATIENCE_S),
    }
    well = await asyncio.gather(*asked.values())
    return [name for name, is_well in zip(asked, well, strict=True) if not is_well]


async def _answers(name: str, ask: Callable[[], Awaitable[None]], patience_s: float) -> bool:
    try:
        await asyncio.wait_for(ask(), patience_s)
    except Exception as error:
        log.warning("not ready: the %s does not answer (%s)", name, type(error).__name__)
        return False
    return True


async def _ask_database() -> None:
    parameters = {**database.libpq_parameters(), "connect_timeout": HOST_PATIENCE_S}
    async with await psycopg.AsyncConnection.connect(**parameters, autocommit=True) as connection:
        await connection.execute("SELECT 1")


async def _ask_broker() -> None:
    broker = Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S)
    async with broker:
        await broker.ping()
