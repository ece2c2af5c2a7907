"""One POST to one checked address, over before its deadline whatever the other side does.

The deadline is that of the whole call: name service, connection, TLS, request and answer. Each step waits only for
what is left of it, so that a server that sends a byte now and then gains nothing. Of the answer only the status line
is read, and only so many bytes. No redirect is followed, no header is looked at.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from federation.errors import Transient

STATUS_LINE_BYTES_MAX = 1024
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: |$)")


@dataclass(frozen=True)
class Target:
    """Where a request goes: `host` as it was named and as certificates must name it, `path` with its query."""

    host: str
    port: int
    path: str
    tls: bool

    @property
    def authority(self) -> str:
        """The value of the Host header (RFC 9110, 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


class Deadline:
    """A moment by which something is over. Raises Transient ``webhook.deadline`` when it is asked after that."""

    def __init__(self, seconds: float, host: str) -> None:
        self._ends, self._host, self._seconds = time.monotonic() + seconds, host, seconds

    def left_s(self) -> float:
        """The seconds that are left."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise self.missed()
        return left

    def missed(self) -> Transient:
        """What to raise."""
        return Transient("webhook.deadline", f"{self._host} did not answer within {self._seconds:g} s.")


def post(
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float,
    check: Callable[[ipaddress.IPv4Address | ipaddress.IPv6Address], None],
) -> int:
    """Send it and return the status of the answer. `check` raises for an address that is not to be called.

    Raises Transient ``webhook.deadline``, ``webhook.failed``, and whatever `check` raises.
    """
    deadline = Deadline(seconds, target.host)
    address = resolved(target.host, target.port, deadline, check)
    try:
        with socket.create_connection((address, target.port), deadline.left_s()) as plain:
            if not target.tls:
                return _exchange(plain, target, body, headers, deadline)
            context = ssl.create_default_context()
            with context.wrap_socket(plain, server_hostname=target.host, do_handshake_on_connect=False) as secure:
                secure.settimeout(deadline.left_s())
                secure.do_handshake()
                return _exchange(secure, target, body, headers, deadline)
    except TimeoutError as error:
        raise deadline.missed() from error
    except (OSError, ValueError) as error:
        raise Transient("webhook.failed", f"{target.host} could not be called ({type(error).__name__}).") from error


def resolved(
    host: str,
    port: int,
    deadline: Deadline,
    check: Callable[[ipaddress.IPv4Address | ipaddress.IPv6Address], None],
) -> str:
    """One address of a host, after all of them were checked. It is looked up once: what is checked is what is called.

    The system's resolver has no deadline, so it is asked in a thread, which is left behind when it is late.
    """
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.append(error)

    asking = threading.Thread(target=ask, name=f"resolve {host}", daemon=True)
    asking.start()
    asking.join(deadline.left_s())
    if not answers:
        raise deadline.missed()
    found = answers[0]
    if isinstance(found, Exception) or not found:
        raise Transient("webhook.failed", f"{host} is not known to the name service.")
    for *_rest, address in found:
        check(ipaddress.ip_address(str(address[0])))
    return str(found[0][4][0])


def _exchange(
    connection: socket.socket, target: Target, body: bytes, headers: Mapping[str, str], deadline: Deadline
) -> int:
    fields = {"Host": target.authority, "Content-Length": str(len(body)), "Connection": "close", **headers}
    head = f"POST {target.path} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    waiting = memoryview(head.encode("ascii") + b"\r\n" + body)
    while waiting:
        connection.settimeout(deadline.left_s())
        waiting = waiting[connection.send(waiting) :]
    return _status(_status_line(connection, deadline), target.host)


def _status_line(connection: socket.socket, deadline: Deadline) -> bytes:
    read = b""
    while b"\n" not in read and len(read) < STATUS_LINE_BYTES_MAX:
        connection.settimeout(deadline.left_s())
        more = connection.recv(STATUS_LINE_BYTES_MAX - len(read))
        if not more:
            break
        read += more
    return read.partition(b"\n")[0].rstrip(b"\r")


def _status(line: bytes, host: str) -> int:
    found = _STATUS.match(line)
    if found is None:
        raise Transient("webhook.failed", f"{host} did not answer as a web server does.")
    return int(found[1])
