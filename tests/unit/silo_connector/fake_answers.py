"""What a test has the small platform answer in place of what it would."""

from __future__ import annotations

import json
from dataclasses import dataclass

from aiohttp import web

CUT = "cut"


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
