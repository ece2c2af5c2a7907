"""The web application over real HTTP, from a thread of the test process, and a client that signs as a relay does."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from federation.protocol import PROTOCOL_VERSION
from federation.protocol.keys import PrivateKey
from federation.protocol.requests import PROTOCOL_HEADER, sign_request
from tests.support.patience import FAILS_AFTER_S, attempts


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        assert self.headers["content-type"] == "application/problem+json"
        return str(self.json["code"])


@dataclass
class Client:
    """Speaks HTTP to the platform; with a key and a silo it signs like that silo's relay."""

    port: int
    key: PrivateKey | None = None
    silo_id: str | None = None
    protocol: str | None = PROTOCOL_VERSION
    """What a request to the connector API says that it speaks, where it is not signed."""
    replay: dict[str, str] | None = None
    sent: list[dict[str, str]] = field(default_factory=list)

    def send(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request, as it is."""
        if path.startswith("/connector/") and self.protocol is not None:
            headers = {PROTOCOL_HEADER: self.protocol} | (headers or {})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=FAILS_AFTER_S)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            fields = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, fields, response.read())
        finally:
            connection.close()

    def post(self, path: str, data: object, **signing: Any) -> Answer:
        """A signed POST of JSON."""
        assert self.key is not None
        body = json.dumps(data).encode()
        headers = sign_request("POST", path, body, self.key, self.silo_id, **signing)
        self.sent.append(headers)
        return self.send("POST", path, body, headers)


@contextmanager
def serving() -> Iterator[int]:
    """The platform on a free loopback port, until the end of the block."""
    from config.asgi import application
    from realtime.connections import Connection

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http=Connection,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=2,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        for _ in attempts("the server has started"):
            if server.started:
                break
            assert thread.is_alive(), "the server did not start"
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(FAILS_AFTER_S)
        listener.close()
