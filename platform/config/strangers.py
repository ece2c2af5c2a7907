"""What those whom nobody knows may cost before Django sees them: a small body, and so many requests at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from accounts.tokens import authenticate_token
from federation.errors import FederationError
from realtime import database
from realtime.connections import counted_as
from realtime.http import (
    STRANGER_BYTES_MAX,
    Application,
    Receive,
    Refused,
    Scope,
    Send,
    announced_bytes,
    answer_problem,
    headers_of,
    too_large,
)

BODY_BYTES_MAX = 16 << 20
"""The most that anybody sends to a page or to REST; files of training plans and their forms are far below."""


class BoundedBodies:
    """An application that reads whole bodies, Django, behind a bound on them: 64 kB for anyone who is not signed in.

    Django itself writes a body of any size to a temporary file before it looks at the request.
    """

    def __init__(self, inner: Application) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over a request, or refuse it."""
        headers = headers_of(scope)
        announced = announced_bytes(headers)
        if announced is not None and announced <= STRANGER_BYTES_MAX:
            await self._inner(scope, receive, send)
            return
        try:
            size_max = BODY_BYTES_MAX if await database.run_in_db_thread(is_signed_in, headers) else STRANGER_BYTES_MAX
            if announced is not None and announced > size_max:
                raise too_large(size_max)
            counted = _Counted(receive, size_max)
            await self._inner(scope, counted, counted.unless_too_large(send))
            if counted.is_too_large:
                raise too_large(size_max)
        except FederationError as error:
            await answer_problem(send, error)


class _Counted:
    """A body in chunks, which ends as a broken connection would once it is too large."""

    def __init__(self, receive: Receive, size_bytes_max: int) -> None:
        self._receive, self._left = receive, size_bytes_max
        self.is_too_large = False

    async def __call__(self) -> dict[str, Any]:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        self.is_too_large = self.is_too_large or self._left < 0
        return {"type": "http.disconnect"} if self.is_too_large else message

    def unless_too_large(self, send: Send) -> Send:
        """Only what was stated before it was too large."""

        async def guarded(message: dict[str, Any]) -> None:
            if not self.is_too_large:
                await send(message)

        return guarded


class BoundedRequests:
    """How many requests are answered at a time for each address, also for those that our own proxy speaks for."""

    def __init__(self, inner: Application) -> None:
        self._inner = inner
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over a request, or refuse it."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        address, most = counted_as((scope.get("client") or [""])[0]), settings.CONNECTIONS_PER_ADDRESS_MAX
        if address and self._open[address] >= most:  # a Unix socket has none
            message = f"One address may have {most} requests at a time. Wait for some to end."
            await answer_problem(send, Refused(429, "connections.too_many", message, [(b"retry-after", b"5")]))
            return
        self._open[address] += 1
        try:
            await self._inner(scope, receive, send)
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]


def is_signed_in(headers: Mapping[str, str]) -> bool:
    """Whether a token or a session of a person comes along. What they may do is checked later."""
    kind, _, secret = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        try:
            authenticate_token(secret.strip())
        except FederationError:
            return False
        return True
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return False
    if cookie is None:
        return False
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(cookie.value)
    return get_user(request).is_active
