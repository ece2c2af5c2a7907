"""HTTP connections with an end: uvicorn's own, but for deadlines on what comes and goes, and a bound for each address.

uvicorn waits for ever for headers, for a body and for a peer that reads nothing, and takes headers without end; nothing
of it is seen by an ASGI application. Named to it by `--http realtime.connections:Connection` (ADR 29).
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from realtime.proxies import address_of

HEAD_BYTES_MAX = 64 << 10
HEAD_FIELDS_MAX = 100
"""Header fields of one request: each takes a hundred bytes of memory and more, however short it is."""
PIPELINED_MAX = 4
"""Requests that one connection may send before the first is answered; all that come at once are parsed at once."""
BODY_BYTES_PER_S_MIN = 500
LINGER_S = 5.0
"""Who was answered before all of the body came may go on sending for so long, so that the answer is read."""

open_connections: Counter[str] = Counter()
"""How many connections of this process each address has."""


class _TooMuch(Exception):
    """More than a parser should take in; raised where it calls us, which ends its work."""


class Connection(HttpToolsProtocol):
    """One connection of one peer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._address = ""
        self._deadline: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._in_head = False
        self._in_body = False
        self._loose_bytes = 0
        """What has come and was neither the end of a head nor part of a body: heads, trailers, empty lines."""
        self._body_bytes = 0
        self._unanswered: list[RequestResponseCycle] = []

    # -- the connection ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and give the first request's head its time."""
        super().connection_made(transport)
        self._address = counted_as(self.client[0] if self.client else "")
        open_connections[self._address] += 1
        most = settings.CONNECTIONS_PER_ADDRESS_MAX
        if self._address and open_connections[self._address] > most and not self._speaks_for_others():
            self._refuse(429, "connections.too_many", f"One address may have {most} connections. Close some.")
        else:
            self._set_deadline(settings.REQUEST_HEAD_WITHIN_S)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._clear_deadline()
        self._clear_unread()
        open_connections[self._address] -= 1
        if open_connections[self._address] <= 0:
            del open_connections[self._address]
        for cycle in self._unanswered:  # of several uvicorn reports the last one only
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes. What is begun has to go on."""
        self._loose_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._loose_bytes > HEAD_BYTES_MAX:
            self._refuse(431, "request.head_too_large", f"A request's head may have {HEAD_BYTES_MAX} bytes.")
        elif self._deadline is None and self._in_body:
            self._body_bytes = 0
            self._set_deadline(settings.REQUEST_BODY_WINDOW_S)
        elif self._deadline is None and (self._in_head or self._loose_bytes):
            self._set_deadline(settings.REQUEST_HEAD_WITHIN_S)

    def pause_writing(self) -> None:
        """The peer reads more slowly than we write."""
        super().pause_writing()
        self._clear_unread()
        self._unread = self.loop.call_later(settings.RESPONSE_UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read on."""
        super().resume_writing()
        self._clear_unread()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more has come."""
        self._close()

    def _should_upgrade_to_ws(self) -> bool:
        return False

    # -- what the parser finds ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        if len(self.pipeline) >= PIPELINED_MAX:
            raise _TooMuch
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of its head has come, or of a trailer."""
        if len(self.headers) >= HEAD_FIELDS_MAX:
            raise _TooMuch
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Its head has come in time."""
        self._in_head, self._in_body, self._loose_bytes = False, True, 0
        self._clear_deadline()
        super().on_headers_complete()
        self._unanswered = [one for one in (*self._unanswered, self.cycle) if not one.response_complete]

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP, or too much of it."""
        if self._in_head and len(self.headers) >= HEAD_FIELDS_MAX:
            self._refuse(431, "request.head_too_large", f"A request's head may have {HEAD_FIELDS_MAX} fields.")
        elif len(self.pipeline) >= PIPELINED_MAX:
            self._refuse(429, "connections.pipelined", "Wait for an answer before you send further requests.")
        else:
            self._refuse(400, "request.malformed", "This is no HTTP request.")

    def on_body(self, body: bytes) -> None:
        """Some of its body has come."""
        self._loose_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it has come."""
        self._in_body, self._loose_bytes = False, 0
        self._clear_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It was answered, perhaps before all of it came."""
        super().on_response_complete()
        if self._in_body and self.cycle.response_complete and not self.transport.is_closing():
            self._set_deadline(LINGER_S)

    def _speaks_for_others(self) -> bool:
        """Whether the peer is a proxy of ours. Then `config.strangers` counts those for whom it speaks."""
        return bool(settings.TRUSTED_PROXIES.include(address_of(self.client[0] if self.client else "")))

    # -- what is late ------------------------------------------------------------------------------------------------

    def _late(self) -> None:
        self._deadline = None
        if self.transport.is_closing():
            return
        if not self._in_body:
            within_s = settings.REQUEST_HEAD_WITHIN_S
            self._refuse(408, "request.head_late", f"A request's head has to come within {within_s:g} s.")
        elif self.cycle.response_complete:
            self._close()
        elif self.flow.read_paused or self._body_bytes >= BODY_BYTES_PER_S_MIN * settings.REQUEST_BODY_WINDOW_S:
            self._body_bytes = 0  # it is we who are slow, or it goes on
            self._set_deadline(settings.REQUEST_BODY_WINDOW_S)
        else:
            self._refuse(408, "request.body_late", f"A body has to come with {BODY_BYTES_PER_S_MIN} bytes a second.")

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Say why, if nothing else is being stated, and close."""
        cycle = self.cycle
        if not self.pipeline and (cycle is None or cycle.response_complete or not cycle.response_started):
            problem = {"type": f"urn:consilience:problem:{code}", "title": code, "status": status, "code": code}
            body = json.dumps({**problem, "detail": message}).encode()
            head = (
                f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\n"
                "cache-control: no-store\r\nretry-after: 5\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(STATUS_LINE[status] + head.encode() + body)
        for one in self._unanswered:
            one.disconnected = True  # the process that answers it learns that nobody listens
            one.message_event.set()
        self._close()

    def _close(self) -> None:
        """Close once what was written is read; not later than a peer has to read it."""
        self._clear_deadline()
        if not self.transport.is_closing():
            self.transport.close()
            self._clear_unread()
            self._unread = self.loop.call_later(settings.RESPONSE_UNREAD_S, self.transport.abort)

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self._late)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _clear_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


def counted_as(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits that one line is given."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
