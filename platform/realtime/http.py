"""The little HTTP that the raw ASGI applications need: read a bounded body, answer JSON or a problem."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from federation.errors import FederationError, Transient, Untrusted

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
STRANGER_BYTES_MAX = 64 << 10
"""How much of a body is read before it is known who sends it."""


class Disconnected(Exception):
    """The peer has gone; nobody is left to answer."""


class Refused(FederationError):
    """An answer with a status of its own choosing."""

    def __init__(self, status: int, code: str, message: str, headers: Headers | None = None) -> None:
        super().__init__(code, message)
        self.status = status
        self.headers = headers or []


def headers_of(scope: Scope) -> dict[str, str]:
    """The request's headers, names in lower case. Of a repeated one the values are joined (RFC 9110, 5.2)."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def announced_bytes(headers: Mapping[str, str]) -> int | None:
    """The length of the body that these headers announce; None where it comes in chunks of unknown number."""
    if "transfer-encoding" in headers:
        return None
    length = headers.get("content-length", "0")
    return int(length) if length.isascii() and length.isdigit() else None


def too_large(size_bytes_max: int) -> Refused:
    """The refusal of a body beyond the bound."""
    return Refused(413, "request.too_large", f"A request to this address may have {size_bytes_max} bytes.")


async def read_body(receive: Receive, size_bytes_max: int) -> bytes:
    """The whole body. Raises Refused 413 ``request.too_large`` beyond the bound, Disconnected when it breaks off."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > size_bytes_max:
            raise too_large(size_bytes_max)
        if not message.get("more_body"):
            return bytes(body)


async def answer(
    send: Send,
    status: int,
    body: bytes = b"",
    content_type: bytes = b"application/json",
    headers: Headers | None = None,
) -> None:
    """Send a whole answer."""
    fields = [(b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store"), *(headers or [])]
    if body:
        fields.append((b"content-type", content_type))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def answer_json(send: Send, status: int, data: object) -> None:
    """Send JSON."""
    await answer(send, status, json.dumps(data, separators=(",", ":")).encode())


async def answer_problem(send: Send, error: FederationError) -> None:
    """Send problem details (RFC 9457) with the error's stable code."""
    status = status_of(error)
    problem: dict[str, Any] = {
        "type": f"urn:consilience:problem:{error.code}",
        "title": error.code,
        "status": status,
        "code": error.code,
        "detail": error.message,
    }
    if error.fields:
        problem["fields"] = error.fields
    headers = error.headers if isinstance(error, Refused) else []
    await answer(send, status, json.dumps(problem).encode(), b"application/problem+json", headers)


def status_of(error: FederationError) -> int:
    """The HTTP status that says what kind of error this is; errors of a door know theirs."""
    own = getattr(error, "status", None)
    if isinstance(own, int):
        return own
    if isinstance(error, Untrusted):
        return 401
    return 503 if isinstance(error, Transient) else 422
