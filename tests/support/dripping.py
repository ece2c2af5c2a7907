"""A server that answers a byte at a time, for ever: what somebody sets up who wants to be waited for."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

EVERY_S = 0.02


@dataclass
class Dripping:
    """What it sends first, what it drips, and how it went."""

    first: bytes
    drop: bytes
    port: int = 0
    calls: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    cut_off: threading.Event = field(default_factory=threading.Event)
    """Set once somebody has hung up on it while it was still dripping."""


@contextmanager
def dripping(first: bytes, drop: bytes = b"") -> Iterator[Dripping]:
    """Such a server on a loopback port. It never ends an answer by itself; without a `drop` it is silent."""
    reported = Dripping(first, drop)
    listener = socket.create_server(("127.0.0.1", 0))
    reported.port = listener.getsockname()[1]

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.settimeout(EVERY_S)
            try:
                connection.sendall(reported.first)
                while not reported.ended.is_set():
                    try:
                        if connection.recv(65536) == b"":
                            raise ConnectionResetError
                    except TimeoutError:
                        connection.sendall(reported.drop)
            except OSError:
                reported.cut_off.set()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            reported.calls += 1
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    serving = threading.Thread(target=serve, daemon=True)
    serving.start()
    try:
        yield reported
    finally:
        reported.ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        serving.join()
