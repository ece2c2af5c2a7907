"""What is asked of every request of somebody who signed in by a browser."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from accounts.languages import activate_language_of
from accounts.models import User
from accounts.second_factor.requirements import has_second_factor, has_shown_second_factor, needs_second_factor
from accounts.signed_in_sessions import touch
from rest.bearer import API, presents_bearer

TOUCH_EVERY_S = 60.0
_KEPT_MAX = 10_000
# Where somebody without their second factor may go all the same: to set it up, to show it, or away.
_OPEN = frozenset(
    {
        *("sign-in", "sign-out", "account_reauthenticate", "mfa_reauthenticate", "mfa_activate_totp"),
        *("account_reset_password", "account_reset_password_done", "account_reset_password_from_key", "welcome"),
    }
)


class SignedIn:
    """Notes when a session was last seen, speaks the person's language, leads to the second factor who must show it."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self._touched: OrderedDict[str, float] = OrderedDict()
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """All happens once the view is known."""
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: object, args: Any, kwargs: Any) -> HttpResponseBase | None:
        """Another page, or None to go on."""
        for_rest = request.path.startswith(API)
        if for_rest and presents_bearer(request.headers.get("Authorization", "")):
            return None  # nobody's session: what REST makes of the token is the whole answer
        user = request.user
        if not isinstance(user, User):
            return None
        self._note(request, user)
        if for_rest:
            return None  # `accounts.authentication` asks for the second factor where it takes the session's word
        activate_language_of(user)
        match = request.resolver_match
        if match is None or match.url_name in _OPEN or has_shown_second_factor(request.session, user):
            return None
        if not needs_second_factor(user):
            return None
        place = "mfa_reauthenticate" if has_second_factor(user) else "mfa_activate_totp"
        if request.headers.get("HX-Request"):  # a fragment of a page: the page itself is to go there
            return HttpResponseClientRedirect(reverse(place))
        query = {"next": request.get_full_path()} if request.method == "GET" else {}
        return redirect(f"{reverse(place)}?{urlencode(query)}" if query else place)

    def _note(self, request: HttpRequest, user: User) -> None:
        key, now = str(request.session.session_key), time.monotonic()
        if now - self._touched.get(key, -TOUCH_EVERY_S) < TOUCH_EVERY_S:
            return
        self._touched[key] = now
        self._touched.move_to_end(key)
        while len(self._touched) > _KEPT_MAX:
            self._touched.popitem(last=False)
        touch(request, user)
