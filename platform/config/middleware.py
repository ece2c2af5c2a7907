"""What every answer of the platform carries: a policy, and an id by which its lines in the log are found."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from config.errors import MACHINE_PREFIXES, under_maintenance
from config.logs import request_id
from rest.bearer import check_bearer_place
from rest.errors import BadRequest
from rest.problems import plain_response

POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
HEALTH = "/health/"

Answer = Callable[[HttpRequest], Any]


class Middleware:
    """Something around every request, in a thread or in an event loop. Subclasses say what is done before and after."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response
        self.waits = iscoroutinefunction(get_response)
        if self.waits:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Before, the view, after."""
        if self.waits:
            return self._later(request)
        early = self.before(request)
        return self.after(request, early or self.get_response(request))

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        early = self.before(request)
        return self.after(request, early or await self.get_response(request))

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        """An answer, if the view is not to be asked. Touches no database."""
        return None

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The answer as it leaves."""
        return response


class RequestIds(Middleware):
    """Each request has an id of our own: on its lines in the log, in a header, and on the page of an error."""

    def before(self, request: HttpRequest) -> None:
        """Make the id."""
        request.request_id = secrets.token_hex(6)  # type: ignore[attr-defined]
        request_id.set(request.request_id)  # type: ignore[attr-defined]

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Report it."""
        response.headers["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response


class BearerTokens(Middleware):
    """Only REST is asked with a token. (`config.asgi` asks the same of what Django does not answer.)"""

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        """A problem detail, also for a page: anyone who sends a token is a program."""
        try:
            check_bearer_place(request.path, request.headers.get("Authorization", ""))
        except BadRequest as problem:
            return plain_response(problem)
        return None


class ContentSecurityPolicy(Middleware):
    """Nothing is loaded from, sent to or framed by another origin."""

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Say so, unless the view said something else."""
        response.headers.setdefault("Content-Security-Policy", POLICY)
        return response


class Languages(Middleware):
    """Pages speak the browser's language until it is known who asks (`accounts.languages`); machines get English."""

    def before(self, request: HttpRequest) -> None:
        """Choose."""
        for_machines = request.path.startswith(MACHINE_PREFIXES)
        wanted = settings.LANGUAGE_CODE if for_machines else translation.get_language_from_request(request)
        translation.activate(wanted)
        timezone.deactivate()

    def after(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Say which it was."""
        if not request.path.startswith(MACHINE_PREFIXES):
            patch_vary_headers(response, ("Accept-Language",))
            response.headers.setdefault("Content-Language", translation.get_language())
        return response


class Maintenance(Middleware):
    """While `MAINTENANCE` is on, every address but health and static files says that we are away."""

    def before(self, request: HttpRequest) -> HttpResponseBase | None:
        """The page, or a problem for a machine."""
        if not settings.MAINTENANCE or request.path.startswith(HEALTH):
            return None
        return under_maintenance(request)
