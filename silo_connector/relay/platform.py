"""The platform as the relay sees it: signed JSON calls over one origin, never a redirect, never an unbounded answer."""

from __future__ import annotations

import json
import ssl
import time
from datetime import UTC, datetime
from typing import Any

import aiohttp
from yarl import URL

from federation.protocol import PROTOCOL_VERSION
from federation.protocol.keys import PrivateKey
from federation.protocol.requests import PROTOCOL_HEADER, sign_request
from silo_connector import VERSION
from silo_connector.config import Config
from silo_connector.relay.answers import checked, http_date
from silo_connector.relay.errors import AnswerTooLarge, Unreachable

ANSWER_BYTES_MAX = 64 << 20
CALL_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 15.0
_KEEP_ALIVE_S = 4.0
_PROMPT_S = 2.0
API = "/connector/v1"


def tls_context(config: Config) -> ssl.SSLContext | None:
    """How the platform's certificate is verified: always, by the system's authorities or by ``ca_file``."""
    return None if config.is_plain_http else ssl.create_default_context(cafile=config.ca_file)


class Platform:
    """Signed calls with the transport key. Open with ``async with``."""

    def __init__(self, config: Config, key: PrivateKey, silo_id: str | None = None) -> None:
        self.config = config
        self.silo_id = silo_id
        self.tls = tls_context(config)
        self.clock_skew_s = 0.0
        self._key = key
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Platform:
        tls = self.tls if self.tls is not None else True
        # Servers close idle connections after 5 s: one that is about to be closed is not worth a lost request.
        connector = aiohttp.TCPConnector(limit=20, ssl=tls, keepalive_timeout=_KEEP_ALIVE_S)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={
                "User-Agent": f"consilience-connector/{VERSION}",
                "Accept-Encoding": "identity",
                PROTOCOL_HEADER: PROTOCOL_VERSION,
            },
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, name: str, content: dict[str, Any], timeout_s: float = CALL_TIMEOUT_S) -> dict[str, Any]:
        """Call ``/connector/v1/<name>``. Raises Unreachable or Declined."""
        path = f"{API}/{name}"
        body = json.dumps(content, separators=(",", ":")).encode()
        headers = sign_request("POST", path, body, self._key, self.silo_id)
        headers["Content-Type"] = "application/json"
        status, answer_headers, answer = await self.exchange("POST", path, headers, body, ANSWER_BYTES_MAX, timeout_s)
        return checked(status, answer_headers, answer)

    async def exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None, size_max: int, timeout_s: float
    ) -> tuple[int, dict[str, str], bytes]:
        """One request with a small body and a bounded answer. Raises Unreachable."""
        assert self._session is not None
        address = URL(self.config.platform_url + path, encoded=True)
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=_CONNECT_TIMEOUT_S)
        proxy = None if self.config.is_plain_http else self.config.proxy
        started = time.monotonic()
        try:
            async with self._session.request(
                method, address, data=body, headers=headers, allow_redirects=False, timeout=timeout, proxy=proxy
            ) as answer:
                if time.monotonic() - started < _PROMPT_S:  # servers date a long poll's answer when it was asked
                    self._compare_clocks(answer.headers.get("Date"))
                return answer.status, _titled(answer.headers), await _bounded(answer.content, size_max)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable("platform.unreachable", f"{type(error).__name__}: {error}"[:300]) from error

    def _compare_clocks(self, date: str | None) -> None:
        """By how many seconds our clock is ahead of the platform's, to the second."""
        if (moment := http_date(date)) is not None:
            self.clock_skew_s = round((datetime.now(UTC) - moment).total_seconds(), 1)


async def _bounded(content: aiohttp.StreamReader, size_max: int) -> bytes:
    data = bytearray()
    async for block in content.iter_any():
        data += block
        if len(data) > size_max:
            raise AnswerTooLarge("platform.answer_too_large", f"The platform's answer has more than {size_max} bytes.")
    return bytes(data)


def _titled(headers: Any) -> dict[str, str]:
    return {name.title(): value for name, value in headers.items()}
