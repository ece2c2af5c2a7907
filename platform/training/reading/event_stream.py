"""Server-sent events of a job: what the audit says of it, as it happens, without a thread or a connection held.

`GET /api/v1/jobs/<id>/events/` with a session cookie or a token. Each event carries the audit event's id; a client that
reconnects with `Last-Event-ID` misses none, whatever order transactions commit in (`audit.following`). A comment every
15 s keeps proxies from closing the stream.

Whether anyone who follows still may is asked again before anything more is sent: at each wake, and with each
a stream outlives a lost role, a revoked token, an ended session or a closed account by 15 s at the most, without a word
of the job in them. The last event is then `refused`, with the code that a new request gets.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from accounts.models import User
from accounts.second_factor.requirements import check_session
from accounts.tokens import authenticate_token
from audit.following import FOLLOWED_FOR_S, SettledEvents
from audit.models import Event
from audit.reasons import detail_for_machines
from federation.errors import FederationError
from realtime import database, notices
from realtime.http import Receive, Refused, Scope, Send, answer_problem, headers_of
from realtime.hub import hub
from rest.bearer import presents_bearer
from rest.errors import Forbidden, NotFound, Problem, Unauthenticated
from training.models import Job
from training.permissions import access_job
from training.transitions import ENDED

PATH = re.compile(r"/api/v1/jobs/([0-9a-f-]{36})/events/")
KEEP_ALIVE_S = 15.0
FOLLOW_AGAIN_S = FOLLOWED_FOR_S / 2
STREAM_MAX_S = 3600.0
END = b"event: end\ndata: {}\n\n"
_BATCH = 500
_AGAIN_MIN_S, _AGAIN_MAX_S = 0.01, 1.0
"""Pauses before a stream looks again whose next event is held back."""
_SO_FAR_LOOKS = 7


async def stream_events(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one follower until it leaves, the job has ended, or an hour is over (it then reconnects by itself)."""
    match = PATH.fullmatch(scope["path"])
    assert match is not None
    headers = headers_of(scope)
    try:
        if scope["method"] != "GET":
            raise Refused(405, "method.not_allowed", "This address takes GET.", [(b"allow", b"GET")])
        follower = partial(_admit, match[1], headers)
        job = await database.run_in_db_thread(follower)
        last = _last_event(headers, scope["query_string"].decode("latin-1"))
    except FederationError as error:
        await answer_problem(send, error)
        return
    fields = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        await _follow(follower, SettledEvents(job.id, last), send, gone)
    finally:
        gone.cancel()


async def _follow(
    follower: Callable[[], Job], following: SettledEvents, send: Send, gone: asyncio.Future[None]
) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + STREAM_MAX_S
    written_at, pause_s, follow_at = loop.time(), _AGAIN_MIN_S, loop.time()
    with hub.waiting(notices.JOBS, following.job_id) as news:
        while not gone.done() and loop.time() < end:
            news.clear()
            try:
                if loop.time() >= follow_at:
                    await database.run_in_db_thread(following.follow)
                    follow_at = loop.time() + FOLLOW_AGAIN_S
                events, ended = await database.run_in_db_thread(_events_for, follower, following)
            except (Unauthenticated, Forbidden, NotFound) as problem:
                await send({"type": "http.response.body", "body": _refused(problem)})
                return
            for body in events:
                await send({"type": "http.response.body", "body": body, "more_body": True})
            if is_over(events, ended, following):
                await send({"type": "http.response.body", "body": END})
                return
            if events:
                written_at, pause_s = loop.time(), _AGAIN_MIN_S
                continue
            keep_alive_in_s = written_at + KEEP_ALIVE_S - loop.time()
            wait_s = min(pause_s, keep_alive_in_s) if following.is_waiting else keep_alive_in_s
            waiting = asyncio.ensure_future(news.wait())
            either: set[asyncio.Future[Any]] = {waiting, gone}
            await asyncio.wait(either, timeout=max(0.0, wait_s), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if following.is_waiting:
                pause_s = min(2 * pause_s, _AGAIN_MAX_S)
            if not gone.done() and loop.time() >= written_at + KEEP_ALIVE_S:
                written_at = loop.time()
                await send({"type": "http.response.body", "body": b": still here\n\n", "more_body": True})
    if not gone.done():
        await send({"type": "http.response.body", "body": b""})


def is_over(events: list[bytes], ended: bool, following: SettledEvents) -> bool:
    """Whether a look was the last: the job had ended before it, and it brought nothing and has nothing to wait for."""
    return ended and not events and not following.is_waiting


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def events_so_far(job: Job, headers: Mapping[str, str], query: str) -> bytes:
    """What a follower who does not wait is shown; for a moment it is waited for what is just being written."""
    lower = {name.lower(): value for name, value in headers.items()}
    following = SettledEvents(job.id, _last_event(lower, query))
    rows: list[bytes] = []
    for look in range(_SO_FAR_LOOKS):
        events, ended = _next_events(following)
        rows += events
        if len(rows) >= _BATCH or (not events and not following.is_waiting):
            break
        if not events:
            time.sleep(_AGAIN_MIN_S * 2**look)
    return b"".join(rows) + (END if is_over(events, ended, following) else b"")


def _events_for(follower: Callable[[], Job], following: SettledEvents) -> tuple[list[bytes], bool]:
    """What anyone who still may follow is shown next. Raises Unauthenticated, Forbidden or NotFound for who may not.

    It is asked after the query: anyone who lost the right before an event was written is not informed of it.
    """
    found = _next_events(following)
    follower()
    return found


def _refused(problem: Problem) -> bytes:
    data = {"code": problem.code, "detail": problem.message}
    return f"event: refused\ndata: {json.dumps(data)}\n\n".encode()


def _next_events(following: SettledEvents) -> tuple[list[bytes], bool]:
    ended = Job.objects.filter(id=following.job_id, state__in=ENDED).exists()
    return [_encode(event) for event in following.next(_BATCH)], ended


def _encode(event: Event) -> bytes:
    data = {
        "id": event.id,
        "at": event.at.isoformat(),
        "verb": event.verb,
        "actor": event.actor_name,
        "detail": detail_for_machines(event.shown_detail),
    }
    return f"id: {event.id}\nevent: {event.verb}\ndata: {json.dumps(data)}\n\n".encode()


def _last_event(headers: dict[str, str], query: str) -> int:
    text = headers.get("last-event-id") or (parse_qs(query).get("after") or ["0"])[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else 0


def _admit(job_id: str, headers: dict[str, str]) -> Job:
    authorization = headers.get("authorization", "")
    if presents_bearer(authorization):
        token = authenticate_token(authorization.strip().partition(" ")[2].strip())
        if "jobs:read" not in token.scopes:
            raise Forbidden("scope.missing", "The token lacks the scope jobs:read. Make one that has it.")
        return access_job(token.user, job_id)
    return access_job(_session_user(headers), job_id)


def _session_user(headers: dict[str, str]) -> User:
    request = HttpRequest()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        cookie = None
    if cookie is not None:
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(cookie.value)
        user = get_user(request)
        if isinstance(user, User) and user.is_active:
            check_session(request.session, user)
            return user
    raise Unauthenticated("authentication.required", "Sign in, or send a token.")
