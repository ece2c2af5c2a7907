"""A TCP way to a Unix socket that can go silent: what was open hangs and is not closed, what comes later works."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Way:
    """The port at which it takes connections, and those that it has."""

    port: int
    open: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)
    silenced: set[socket.socket] = field(default_factory=set)

    def silence(self) -> int:
        """Carry nothing more between the ends of what is open, without a word to either: how many connections."""
        self.silenced.update(end for pair in self.open for end in pair)
        return len(self.open)


@contextmanager
def way_to(path: str) -> Iterator[Way]:
    """Such a way to the socket at this path."""
    listener = socket.create_server(("127.0.0.1", 0))
    way, ended = Way(listener.getsockname()[1]), threading.Event()
    thread = threading.Thread(target=_carry, args=(listener, path, way, ended))
    thread.start()
    try:
        yield way
    finally:
        ended.set()
        thread.join()
        listener.close()


def _carry(listener: socket.socket, path: str, way: Way, ended: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        while not ended.is_set():
            for key, _ in selector.select(0.02):
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is listener:
                    here, there = listener.accept()[0], socket.socket(socket.AF_UNIX)
                    there.connect(path)
                    way.open.append((here, there))
                    selector.register(here, selectors.EVENT_READ, there)
                    selector.register(there, selectors.EVENT_READ, here)
                elif end in way.silenced:
                    selector.unregister(end)
                else:
                    _hand_over(end, key.data, selector)
    for pair in way.open:
        for end in pair:
            end.close()


def _hand_over(source: socket.socket, sink: socket.socket, selector: selectors.BaseSelector) -> None:
    with suppress(OSError):
        if data := source.recv(65536):
            sink.sendall(data)
            return
    selector.unregister(source)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
