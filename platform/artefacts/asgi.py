"""Artefacts over HTTP, streamed: never whole in memory, never through Django."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl

from artefacts import grants, store
from artefacts.uploads import Upload
from federation.errors import FederationError
from live.http import Disconnected, Headers, Receive, Refused, Scope, Send, answer, answer_json, answer_problem, headers_of

_BLOCK_BYTES = 1 << 20
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """GET and HEAD of blobs; HEAD and PUT of uploads."""
    path, method = scope["path"], scope["method"]
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    try:
        if path.startswith(grants.BLOBS) and method in {"GET", "HEAD"}:
            await _download(scope, send, path.removeprefix(grants.BLOBS), query)
        elif path.startswith(grants.UPLOADS) and method in {"PUT", "HEAD"}:
            await _upload(scope, receive, send, path.removeprefix(grants.UPLOADS), query)
        else:
            raise Refused(405, "method.not_allowed", "This address takes GET and HEAD, or HEAD and PUT.")
    except Disconnected:
        return
    except FederationError as error:
        await answer_problem(send, error)


async def _download(scope: Scope, send: Send, digest: str, query: Mapping[str, str]) -> None:
    grants.check_download(digest, expires=_number(query, "exp"), signature=query.get("sig", ""))
    path = store.path_of(digest)
    try:
        stream = await asyncio.to_thread(path.open, "rb", 0)
    except FileNotFoundError:
        raise Refused(404, "blob.not_found", "This artefact is not kept any more.") from None
    with stream:
        size = await asyncio.to_thread(lambda: Path(path).stat().st_size)
        start, stop = _range(headers_of(scope).get("range"), size)
        fields: Headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(stop - start).encode()),
            (b"accept-ranges", b"bytes"),
            (b"etag", f'"{digest}"'.encode()),
            (b"cache-control", b"private, immutable"),
        ]
        partial = (start, stop) != (0, size)
        if partial:
            fields.append((b"content-range", f"bytes {start}-{stop - 1}/{size}".encode()))
        await send({"type": "http.response.start", "status": 206 if partial else 200, "headers": fields})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        stream.seek(start)
        left = stop - start
        while left > 0:
            block = await asyncio.to_thread(stream.read, min(_BLOCK_BYTES, left))
            if not block:
                return
            left -= len(block)
            await send({"type": "http.response.body", "body": block, "more_body": left > 0})
        if stop == start:
            await send({"type": "http.response.body", "body": b""})


async def _upload(scope: Scope, receive: Receive, send: Send, rest: str, query: Mapping[str, str]) -> None:
    order_id, _, digest = rest.partition("/")
    grants.check_upload(
        order_id, size_bytes_max=_number(query, "max"), expires=_number(query, "exp"), signature=query.get("sig", "")
    )
    upload = Upload(order_id, digest, size_bytes_max=int(query["max"]))
    if scope["method"] == "HEAD":
        offset, complete = await asyncio.to_thread(upload.progress)
        await answer(send, 200, headers=_progress(offset, complete))
        return
    start, total = _content_range(headers_of(scope))
    await asyncio.to_thread(upload.begin, start, total)
    pending = bytearray()
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            pending += message.get("body", b"")
            last = not message.get("more_body")
            if len(pending) >= _BLOCK_BYTES or last:
                block, pending = pending, bytearray()
                await asyncio.to_thread(upload.append, block)
            if last:
                break
        complete = await asyncio.to_thread(upload.finish)
    finally:
        if pending:
            await asyncio.to_thread(upload.append, pending)
        upload.close()
    await answer_json(send, 200, {"complete": complete, "offset": upload.offset})


def _progress(offset: int, complete: bool) -> Headers:
    return [(b"upload-offset", str(offset).encode()), (b"upload-complete", b"?1" if complete else b"?0")]


def _number(query: Mapping[str, str], name: str) -> str:
    value = query.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 15):
        raise Refused(400, "request.malformed", f"The address lacks the number {name!r}.")
    return value


def _range(header: str | None, size: int) -> tuple[int, int]:
    """The bytes that a Range header asks for, as [start, stop). One range only; another form means the whole."""
    match = _RANGE.fullmatch(header or "")
    if match is None:
        return 0, size
    start = int(match[1])
    stop = min(int(match[2]) + 1, size) if match[2] else size
    if start >= size or stop <= start:
        raise Refused(416, "range.unsatisfiable", "The artefact ends before.", [(b"content-range", f"bytes */{size}".encode())])
    return start, stop


def _content_range(headers: Mapping[str, str]) -> tuple[int, int]:
    """Where these bytes begin and how long the whole artefact is."""
    if "content-range" in headers:
        match = _CONTENT_RANGE.fullmatch(headers["content-range"])
        if match is None or int(match[1]) > int(match[2]) or int(match[2]) >= int(match[3]):
            raise Refused(400, "request.malformed", "Content-Range must read: bytes FIRST-LAST/TOTAL.")
        return int(match[1]), int(match[3])
    length = headers.get("content-length", "")
    if not length.isdigit():
        raise Refused(411, "request.length_required", "Send Content-Length, or Content-Range for a part.")
    return 0, int(length)


