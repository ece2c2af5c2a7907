"""Artefacts over HTTP, streamed: never whole in memory, never through Django."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import parse_qsl
from uuid import UUID

from django.conf import settings

from artefacts import signed_urls, store
from artefacts.uploads import Upload
from federation.errors import FederationError
from realtime import database
from realtime.http import (
    Disconnected,
    Headers,
    Receive,
    Refused,
    Scope,
    Send,
    answer,
    answer_json,
    answer_problem,
    headers_of,
)
from realtime.protocol_versions import check_version

_BLOCK_BYTES = 1 << 20
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


@dataclass(frozen=True)
class Claimed:
    """An artefact that is bound to an order."""

    size_bytes: int
    is_finished: bool
    """Whether the whole of it has come by that order's grant."""


@dataclass(frozen=True)
class Grant:
    """An upload's address as it was issued: for which output of which order, which artefact, and how large."""

    order_id: UUID
    name: str
    digest: str
    size_bytes_max: int


class Claims(Protocol):
    """Which artefact belongs to which output of which order, for good: database work, for a thread."""

    def find(self, order_id: UUID, name: str, digest: str) -> Claimed | None:
        """What is known of this artefact as this output's; None if it is not."""

    def claim(self, order_id: UUID, name: str, digest: str, size_bytes: int) -> Claimed:
        """Bind it to the output, or find it bound. Raises unless the order is open and takes just this artefact."""

    def finish(self, order_id: UUID, name: str, digest: str) -> None:
        """It has come, whole. Raises if the order has ended."""


class ArtefactsApplication:
    """GET and HEAD of blobs; HEAD and PUT of uploads."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        try:
            check_version(headers_of(scope), path)
            if path.startswith(signed_urls.BLOBS) and method in {"GET", "HEAD"}:
                await _download(scope, send, path.removeprefix(signed_urls.BLOBS), query)
            elif path.startswith(signed_urls.UPLOADS) and method in {"PUT", "HEAD"}:
                grant = _granted(path.removeprefix(signed_urls.UPLOADS), query)
                if method == "HEAD":
                    await self._report_progress(send, grant)
                else:
                    await self._upload(scope, receive, send, grant)
            else:
                raise Refused(405, "method.not_allowed", "This address takes GET and HEAD, or HEAD and PUT.")
        except Disconnected:
            return
        except FederationError as error:
            await answer_problem(send, error)

    async def _report_progress(self, send: Send, grant: Grant) -> None:
        """How much of it this grant has brought. Of what else the store has, nothing is reported."""
        digest = grant.digest
        claimed = await database.run_in_db_thread(self._claims.find, grant.order_id, grant.name, digest)
        offset, complete = 0, False
        if claimed is not None:
            complete = await asyncio.to_thread(_is_complete, claimed, digest)
            offset = (
                claimed.size_bytes
                if complete
                else await asyncio.to_thread(Upload(grant.order_id, grant.name, digest, claimed.size_bytes).kept)
            )
        await answer(send, 200, headers=_progress(offset, complete))

    async def _upload(self, scope: Scope, receive: Receive, send: Send, grant: Grant) -> None:
        order_id, name, digest = grant.order_id, grant.name, grant.digest
        start, total = _content_range(headers_of(scope))
        size_max = min(grant.size_bytes_max, settings.UPLOAD_BYTES_MAX)
        if total > size_max:
            raise Refused(413, "blob.too_large", f"An artefact for this order may have {size_max} bytes.")
        claimed = await database.run_in_db_thread(self._claims.claim, order_id, name, digest, total)
        if claimed.is_finished and await asyncio.to_thread(_is_complete, claimed, digest):
            await answer_json(send, 200, {"complete": True, "offset": total})
            return
        upload = Upload(order_id, name, digest, total)
        block = await _next_block(receive)
        begun = False
        try:
            while not block.last:
                await asyncio.to_thread(upload.append if begun else partial(upload.begin, start), block.data)
                begun = True
                block = await _next_block(receive)
            finish = upload.finish if begun else partial(upload.take_whole, start)
            complete = await asyncio.to_thread(finish, block.data)
            if complete:
                await database.run_in_db_thread(self._claims.finish, order_id, name, digest)
        except FileNotFoundError:  # the order ended, and what had come of its upload was deleted
            raise Refused(409, "order.ended", "This order waits for no answer any more; nothing was kept.") from None
        finally:
            upload.close()
        if block.broken_off:
            raise Disconnected
        await answer_json(send, 200, {"complete": complete, "offset": upload.offset})


def _granted(rest: str, query: Mapping[str, str]) -> Grant:
    """What an upload's address says."""
    order_id, name, digest = (*rest.split("/", 2), "", "")[:3]
    signed_urls.check_upload(
        order_id,
        name,
        size_bytes_max=_number(query, "max"),
        expires=_number(query, "exp"),
        signature=query.get("sig", ""),
    )
    store.path_of(digest)  # raises unless it is a digest
    return Grant(UUID(order_id), name, digest, int(query["max"]))


def _is_complete(claimed: Claimed, digest: str) -> bool:
    return claimed.is_finished and store.size_bytes(digest) == claimed.size_bytes


async def _download(scope: Scope, send: Send, digest: str, query: Mapping[str, str]) -> None:
    signed_urls.check_download(digest, expires=_number(query, "exp"), signature=query.get("sig", ""))
    wanted = headers_of(scope).get("range")
    opened = await asyncio.to_thread(_open, store.path_of(digest), wanted)
    with opened.stream:
        fields: Headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(opened.stop - opened.start).encode()),
            (b"accept-ranges", b"bytes"),
            (b"etag", f'"{digest}"'.encode()),
            (b"cache-control", b"private, immutable"),
        ]
        is_part = (opened.start, opened.stop) != (0, opened.size)
        if is_part:
            fields.append((b"content-range", f"bytes {opened.start}-{opened.stop - 1}/{opened.size}".encode()))
        await send({"type": "http.response.start", "status": 206 if is_part else 200, "headers": fields})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        block, left = opened.first, opened.stop - opened.start
        while True:
            left -= len(block)
            await send({"type": "http.response.body", "body": block, "more_body": left > 0})
            if left <= 0:
                return
            block = await asyncio.to_thread(opened.stream.read, min(_BLOCK_BYTES, left))
            if not block:
                return


@dataclass(frozen=True)
class _Opened:
    """A blob, the bytes of it that are wanted, and the first of them: small ones take one visit to a thread."""

    stream: BinaryIO
    size: int
    start: int
    stop: int
    first: bytes


def _open(path: Path, wanted: str | None) -> _Opened:
    try:
        stream = path.open("rb", 0)
    except FileNotFoundError:
        raise Refused(404, "blob.not_found", "This artefact is not kept any more.") from None
    try:
        size = os.fstat(stream.fileno()).st_size
        start, stop = _range(wanted, size)
        stream.seek(start)
        return _Opened(stream, size, start, stop, stream.read(min(_BLOCK_BYTES, stop - start)))
    except BaseException:
        stream.close()
        raise


@dataclass(frozen=True)
class _Block:
    """Some bytes of a body, in pieces; the last ones of it, or of a connection that broke off."""

    data: Sequence[bytes]
    last: bool
    broken_off: bool = False


async def _next_block(receive: Receive) -> _Block:
    pieces: list[bytes] = []
    size = 0
    while size < _BLOCK_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            return _Block(pieces, last=True, broken_off=True)
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if not message.get("more_body"):
            return _Block(pieces, last=True)
    return _Block(pieces, last=False)


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
        raise Refused(
            416, "range.unsatisfiable", "The artefact ends before.", [(b"content-range", f"bytes */{size}".encode())]
        )
    return start, stop


def _content_range(headers: Mapping[str, str]) -> tuple[int, int]:
    """Where these bytes begin and how long the whole artefact is."""
    if "content-range" in headers:
        match = _CONTENT_RANGE.fullmatch(headers["content-range"])
        if match is None or int(match[1]) > int(match[2]) or int(match[2]) >= int(match[3]):
            raise Refused(400, "request.malformed", "Content-Range must read: bytes FIRST-LAST/TOTAL.")
        return int(match[1]), int(match[3])
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise Refused(411, "request.length_required", "Send Content-Length, or Content-Range for a part.")
    return 0, int(length)
