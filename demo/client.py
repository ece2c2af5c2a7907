"""Somebody who uses the platform over HTTP: signs in as a browser does, or presents a token; and follows events."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from http.cookiejar import CookieJar
from typing import Any

from demo.codes import STEP_S, code_at
from demo.processes import DemoError

TIMEOUT_S = 120.0
SIGN_IN = "/sign-in/"
CODE = "/sign-in/code/"
SET_UP = "/account/second-factor/"
_INPUT = re.compile(r"<input\b[^>]*>")
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')


def _first_form(page: str) -> str:
    return page.partition("<form")[2].partition("</form>")[0]


class Refused(DemoError):
    """The platform answered with a problem; `code` is its stable code."""

    def __init__(self, what: str, status: int, body: bytes) -> None:
        try:
            problem = json.loads(body)
        except ValueError:
            problem = {}
        problem = problem if isinstance(problem, dict) else {}
        self.status, self.code = status, str(problem.get("code", ""))
        statement = problem.get("detail") or problem.get("title") or body[:200].decode(errors="replace")
        fields = f" {problem['fields']}" if problem.get("fields") else ""
        super().__init__(f"{what}: the platform answered {status} {self.code}: {statement}{fields}")


class Client:
    """One person's connection to the platform."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self._token = token
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._cookies)
        )

    @classmethod
    def signed_in(cls, url: str, email: str, password: str, second_factor: str | None = None) -> Client:
        """Fill in the form at the sign-in page, and the code of an authenticator app with this secret where asked.

        Raises DemoError when the platform does not let them in.
        """
        client = cls(url)
        page = client._open("GET", SIGN_IN).read().decode()
        came_to = client._submit(SIGN_IN, page, email, password)
        if came_to.url.endswith(CODE) and second_factor is not None:
            came_to = client._show(second_factor, came_to.read().decode())
        place = urllib.parse.urlsplit(came_to.url).path
        if place.startswith((SIGN_IN, SET_UP)) or client._cookie("sessionid") is None:
            raise DemoError(f"The platform does not let {email} sign in: it went to {place}.")
        return client

    def _show(self, secret: str, page: str) -> HTTPResponse:
        """Type the code that the app shows now; the next one where that was used already."""
        try:
            return self._submit(CODE, page, code_at(secret, time.time()))
        except Refused:
            return self._submit(CODE, page, code_at(secret, time.time() + STEP_S))

    def _submit(self, path: str, page: str, text: str, password: str = "") -> HTTPResponse:
        """Fill in the form of a page: the password where it asks for one, the text elsewhere."""
        fields = {}
        for attributes in (dict(_ATTRIBUTE.findall(tag)) for tag in _INPUT.findall(_first_form(page))):
            given = {"password": password, "hidden": attributes.get("value", "")}
            fields[attributes.get("name", "")] = given.get(attributes.get("type", "text"), text)
        return self._open("POST", path, urllib.parse.urlencode(fields).encode(), "application/x-www-form-urlencoded")

    def with_token(self, name: str, scopes: list[str]) -> Client:
        """Make a token for programs, as the person does on the page of tokens, and go on with it alone."""
        made = self.post("tokens/", {"name": name, "scopes": scopes, "expires_in_days": 1})
        return Client(self.url, str(made["token"]))

    def download(self, path: str) -> bytes:
        """A file of the API, as it comes."""
        return self._open("GET", f"/api/v1/{path}").read()

    def get(self, path: str, **query: Any) -> Any:
        """What a REST address says."""
        asked = f"/api/v1/{path}" + (f"?{urllib.parse.urlencode(query)}" if query else "")
        return json.load(self._open("GET", asked))

    def all(self, path: str, **query: Any) -> Iterator[Any]:
        """Every row of a list, page after page."""
        page = self.get(path, **query)
        while True:
            yield from page["results"]
            if not page.get("next"):
                return
            page = json.load(self._open("GET", page["next"].removeprefix(self.url)))

    def post(self, path: str, content: Any = None) -> Any:
        """Do something, once even if it has to be said twice."""
        body = json.dumps(content if content is not None else {}).encode()
        return json.load(self._open("POST", f"/api/v1/{path}", body, "application/json"))

    def events(self, path: str) -> Iterator[dict[str, Any]]:
        """Server-sent events as they come, until the stream ends."""
        name, data = "", ""
        with self._open("GET", f"/api/v1/{path}", timeout_s=300.0) as stream:
            for raw in stream:
                field, _, value = raw.decode().rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data += value
                elif not field and data:
                    yield {"event": name, **json.loads(data)}
                    name, data = "", ""

    def _cookie(self, name: str) -> str | None:
        return next((cookie.value for cookie in self._cookies if cookie.name == name), None)

    def _open(
        self, method: str, path: str, body: bytes | None = None, kind: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> HTTPResponse:
        headers = {"Accept": "*/*", "Referer": self.url + path}
        if kind:
            headers["Content-Type"] = kind
        if method == "POST":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        elif token := self._cookie("csrftoken"):
            headers["X-CSRFToken"] = token
        request = urllib.request.Request(self.url + path, body, headers, method=method)  # noqa: S310 - our own address
        try:
            answer = self._opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(f"{method} {path}", error.code, error.read()) from None
        except (OSError, HTTPException) as error:
            raise DemoError(f"{method} {path}: the platform can't be reached ({error}).") from error
        assert isinstance(answer, HTTPResponse)
        return answer
