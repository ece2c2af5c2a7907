"""Large transfers, each in a thread with a connection of its own (``http.client``): one block in memory at a time."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, Protocol
from urllib.parse import urlsplit

from federation.protocol import PROTOCOL_VERSION
from federation.protocol.requests import PROTOCOL_HEADER
from silo_connector import VERSION
from silo_connector.config import Config
from silo_connector.relay.answers import PROBLEM_BYTES_MAX, checked
from silo_connector.relay.errors import Unreachable

BLOCK_BYTES = 1 << 20
SOCKET_TIMEOUT_S = 60.0
BeginWriting = Callable[[int, Mapping[str, str], BinaryIO, int, int], int]


class Transfer(Protocol):
    """What a thread runs and another may abort."""

    def run(self, file: BinaryIO, offset: int, size_bytes: int) -> bool:
        """Move the bytes; whether the other side then has the whole."""

    def abort(self) -> None:
        """Shut the connection: the thread's next read or write fails."""


class _Connected:
    def __init__(self, config: Config, tls: ssl.SSLContext | None, path: str, headers: Mapping[str, str]) -> None:
        self._path = path
        self._headers = {
            "User-Agent": f"consilience-connector/{VERSION}",
            PROTOCOL_HEADER: PROTOCOL_VERSION,
            **headers,
        }
        self._connection = connection_to(config, tls)

    def abort(self) -> None:
        open_socket = self._connection.sock
        if open_socket is not None:
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)


class Receiving(_Connected):
    """One GET into a file."""

    def __init__(
        self,
        config: Config,
        tls: ssl.SSLContext | None,
        path: str,
        headers: Mapping[str, str],
        begin_writing: BeginWriting,
    ) -> None:
        super().__init__(config, tls, path, headers)
        self._begin_writing = begin_writing

    def run(self, file: BinaryIO, offset: int, size_bytes: int) -> bool:
        """Fetch from the offset on. Raises Unreachable or Declined; what came stays in the file."""
        with contextlib.closing(self._connection), _network():
            self._connection.request("GET", self._path, headers=self._headers)
            answer = self._connection.getresponse()
            headers = _titled(answer)
            if answer.status not in (200, 206):
                checked(answer.status, headers, answer.read(PROBLEM_BYTES_MAX))
            left = self._begin_writing(answer.status, headers, file, offset, size_bytes)
            buffer = memoryview(bytearray(BLOCK_BYTES))
            while left and (count := answer.readinto(buffer[: min(left, BLOCK_BYTES)])):
                file.write(buffer[:count])
                left -= count
        if left:
            raise Unreachable("platform.cut_off", f"The connection ended {left} bytes early.")
        return True


class Sending(_Connected):
    """One PUT out of a file."""

    def run(self, file: BinaryIO, offset: int, size_bytes: int) -> bool:
        """Send from the offset on. Raises Unreachable, OffsetConflict or Declined."""
        file.seek(offset)
        headers = {**self._headers, "Content-Length": str(size_bytes - offset)}
        with contextlib.closing(self._connection), _network():
            # A refusal may come before all is sent: then the write fails, and the answer is there to be read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._connection.request("PUT", self._path, body=_blocks(file, size_bytes - offset), headers=headers)
            answer = self._connection.getresponse()
            content = checked(answer.status, _titled(answer), answer.read(PROBLEM_BYTES_MAX))
        return content.get("complete") is True


def connection_to(config: Config, tls: ssl.SSLContext | None) -> http.client.HTTPConnection:
    """A connection to the platform, through the proxy if one is configured (TLS only, as a tunnel)."""
    parts = urlsplit(config.platform_url)
    host = parts.hostname or ""
    port = parts.port
    timeout_s, block = SOCKET_TIMEOUT_S, BLOCK_BYTES
    if tls is None:
        return http.client.HTTPConnection(host, port or 80, timeout=timeout_s, blocksize=block)
    if config.proxy is None:
        return http.client.HTTPSConnection(host, port or 443, timeout=timeout_s, blocksize=block, context=tls)
    proxy = urlsplit(config.proxy)
    tunnel = http.client.HTTPSConnection(
        proxy.hostname or "", proxy.port or 3128, timeout=timeout_s, blocksize=block, context=tls
    )
    tunnel.set_tunnel(host, port or 443)
    return tunnel


def read_exactly(source: BinaryIO, count: int) -> bytes:
    """So many bytes. Raises Unreachable when the file is shorter (it was checked before)."""
    return b"".join(bytes(block) for block in _blocks(source, count))


def _blocks(source: BinaryIO, count: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(min(BLOCK_BYTES, count)))
    while count:
        got = source.readinto(buffer[: min(count, BLOCK_BYTES)])  # type: ignore[attr-defined]
        if not got:
            raise Unreachable("payload.shrank", "The file became shorter while it was sent.")
        yield buffer[:got]
        count -= got


@contextlib.contextmanager
def _network() -> Iterator[None]:
    try:
        yield
    except (http.client.HTTPException, ssl.SSLError, TimeoutError, ConnectionError, socket.gaierror) as error:
        raise Unreachable("platform.unreachable", f"{type(error).__name__}: {error}"[:300]) from error


def _titled(answer: http.client.HTTPResponse) -> dict[str, str]:
    return {name.title(): value for name, value in answer.getheaders()}
