"""Artefacts over the wire, in constant memory: blobs down with ranges, uploads that go on where they stopped.

Small ones go through the shared connections; above ``SMALL_BYTES`` a thread with ``http.client`` is quicker.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from silo_connector.relay import streaming_transfers
from silo_connector.relay.answers import PROBLEM_BYTES_MAX, checked, upload_offset
from silo_connector.relay.errors import AnswerTooLarge, Declined, Unreachable
from silo_connector.relay.platform import Platform

SMALL_BYTES = 1 << 20
_SMALL_TIMEOUT_S = 120.0
_ABORT_S = 1.0
_PATH = re.compile(r"/connector/v1/(blobs|uploads)/[A-Za-z0-9._~%!$&'()*+,;=:@/?\-]*")
_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)")


def is_transfer_path(path: object) -> bool:
    """Whether an address from an order is a plain path on the platform, and nothing cleverer."""
    if not isinstance(path, str) or len(path) > 2000 or not _PATH.fullmatch(path):
        return False
    return ".." not in path and "//" not in path


class Transfers:
    """Moves artefacts between open files and the platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="transfer")

    async def download(self, path: str, target: BinaryIO, size_bytes: int) -> None:
        """Append what is missing of a blob to a file that has its first bytes already (perhaps none).

        Raises Unreachable (what came is kept) or Declined.
        """
        offset = target.seek(0, 2)
        if offset >= size_bytes:
            return
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if size_bytes - offset <= SMALL_BYTES:
            size_max = max(size_bytes, PROBLEM_BYTES_MAX)
            try:
                status, answer, body = await self._platform.exchange(
                    "GET", path, headers, None, size_max, _SMALL_TIMEOUT_S
                )
            except AnswerTooLarge as error:
                raise Declined(200, "blob.too_large", error.message) from error
            if status not in (200, 206):
                checked(status, answer, body)
            if len(body) > begin_writing(status, answer, target, offset, size_bytes):
                raise Declined(200, "blob.too_large", "The platform sends more bytes than its order states.")
            target.write(body)
        else:
            receive = streaming_transfers.Receiving(
                self._platform.config, self._platform.tls, path, headers, begin_writing
            )
            await self._in_thread(receive, target, offset, size_bytes)

    async def kept(self, path: str) -> tuple[int, bool]:
        """How many bytes of an upload the platform has, and whether it is complete."""
        status, headers, body = await self._platform.exchange("HEAD", path, {}, None, PROBLEM_BYTES_MAX, 30.0)
        if status == 404:
            return 0, False
        checked(status, headers, body)
        return upload_offset(headers) or 0, headers.get("Upload-Complete") == "?1"

    async def upload(self, path: str, source: BinaryIO, offset: int, size_bytes: int) -> bool:
        """Send a file's bytes from this offset on; True when the platform has the whole.

        Raises Unreachable, OffsetConflict or Declined.
        """
        headers = {
            "Content-Range": f"bytes {offset}-{size_bytes - 1}/{size_bytes}",
            "Content-Type": "application/octet-stream",
        }
        if size_bytes - offset <= SMALL_BYTES:
            source.seek(offset)
            body = streaming_transfers.read_exactly(source, size_bytes - offset)
            status, answer_headers, answer = await self._platform.exchange(
                "PUT", path, headers, body, PROBLEM_BYTES_MAX, _SMALL_TIMEOUT_S
            )
            return checked(status, answer_headers, answer).get("complete") is True
        send = streaming_transfers.Sending(self._platform.config, self._platform.tls, path, headers)
        return await self._in_thread(send, source, offset, size_bytes)

    async def _in_thread(
        self, transfer: streaming_transfers.Transfer, file: BinaryIO, offset: int, size_bytes: int
    ) -> bool:
        """Run it in a thread. When cancelled, its connection is shut and the file stays open until it has ended."""
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, transfer.run, file, offset, size_bytes)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            transfer.abort()
            await asyncio.wait([running], timeout=_ABORT_S)
            raise


def begin_writing(status: int, headers: Mapping[str, str], target: BinaryIO, offset: int, size_bytes: int) -> int:
    """Put the file where the answer's bytes belong: its end, or its start if the platform sends the whole again.

    Returns how many bytes may come.
    """
    if status == 206:
        match = _RANGE.fullmatch(headers.get("Content-Range", ""))
        if match is None or int(match[1]) != offset:
            raise Unreachable("blob.range", "The platform sent another range than we asked for.")
    else:
        offset = 0
        target.truncate(0)
        target.seek(0)
    length = headers.get("Content-Length", "")
    if length.isdecimal() and int(length) > size_bytes - offset:
        raise Declined(200, "blob.too_large", "The platform sends more bytes than its order states.")
    return size_bytes - offset
