"""The platform's ASGI application, asked in this very thread, each time in a transaction that is undone afterwards.

So a request may revoke, cancel or delete whatever it likes: the next one finds the world as it was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import requests
from asgiref.sync import async_to_sync
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from schemathesis.core.transport import Response

from realtime.hub import hub


@contextmanager
def one_connection() -> Iterator[None]:
    """Requests leave the connection of this thread open: it is in a transaction of ours."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


def ask(request: requests.PreparedRequest) -> Response:
    """The application's answer; what it did to the database is undone."""
    from config.asgi import application

    began = time.monotonic()
    sent: list[dict[str, Any]] = []
    with transaction.atomic():
        async_to_sync(_exchange)(application, request, sent)
        transaction.set_rollback(True)
    start = next(message for message in sent if message["type"] == "http.response.start")
    headers: dict[str, list[str]] = {}
    for name, value in start["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return Response(
        status_code=start["status"],
        headers=headers,
        content=b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body"),
        request=request,
        elapsed=time.monotonic() - began,
        verify=False,
    )


async def _exchange(application: Any, request: requests.PreparedRequest, sent: list[dict[str, Any]]) -> None:
    parts = urlsplit(request.url or "")
    body = request.body.encode() if isinstance(request.body, str) else request.body or b""
    assert isinstance(body, bytes)
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": body}]

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote_to_bytes(parts.path).decode("utf-8", "replace"),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(b"host", b"testserver"), *_headers(request)],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
    }
    try:
        await application(scope, receive, send)
    finally:
        await hub.close()  # its connection belongs to this event loop


def _headers(request: requests.PreparedRequest) -> Iterator[tuple[bytes, bytes]]:
    for name, value in request.headers.items():
        text = value if isinstance(value, bytes) else value.encode("latin-1", "replace")
        yield name.lower().encode("latin-1", "replace"), text
