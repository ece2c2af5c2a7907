"""What a test has the small platform answer in place of what it would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from federation.protocol.digests import digest_bytes

CUT = "cut"
VALID_CODE = {"state": "valid", "silo": "Silo", "expires_at": "2099-01-01T00:00:00Z"}
POLL_S = 1.1
"""How long a poll is kept open at most: longer than what the relay finds suspiciously quick."""


@dataclass(frozen=True)
class Answer:
    """What a test has the platform answer."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def response(self) -> web.Response:
        """A new response of this kind."""
        return web.Response(status=self.status, body=self.body, headers=dict(self.headers))


def problem(status: int, code: str, **headers: str) -> Answer:
    """A problem detail."""
    body = {"type": "about:blank", "title": code, "status": status, "code": code, "detail": f"about {code}"}
    return Answer(status, json.dumps(body).encode(), tuple(headers.items()))


def without_held(entry: Any, documents: list[str]) -> Any:
    """An entry of a poll's answer: the manifest or agreement that the relay holds is named by its digest."""
    if not isinstance(entry, dict):
        return entry
    sent = dict(entry)
    for key in ("manifest", "agreement"):
        digest = digest_bytes(json.dumps(entry.get(key), separators=(",", ":")).encode())
        if digest in documents:
            sent[key] = digest
    return sent
