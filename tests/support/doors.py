"""The questions that every endpoint of the REST API is asked, whatever it is about.

Does it work for who may; is a stranger asked to sign in (401), somebody without the role refused (403), somebody of
another consortium answered that there is nothing (404); is a wrong method refused (405); does a token need its
scope; is what changed recorded, in the name of who did it? Each app has a table of its endpoints, and the world they
are in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, Protocol

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from accounts.models import Scope, User
from accounts.tokens import issue_token
from audit.models import Event
from tests.support.world import client_of

WRONG_METHODS = ("put", "options")


class Door(Protocol):
    """One method at one address: who may, who may not, to whom it does not exist, and the event that it writes."""

    @property
    def name(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def may(self) -> tuple[str, ...]: ...
    @property
    def forbidden(self) -> tuple[str, ...]: ...
    @property
    def absent(self) -> tuple[str, ...]: ...
    @property
    def status(self) -> int: ...
    @property
    def verb(self) -> str: ...


Ask = Callable[[APIClient, str], Any]
"""The answer to a client that comes with a method."""
People = Callable[[str], User]
"""Who somebody is by what they are called in the table."""


def with_who_may(doors: Iterable[Door]) -> list[Any]:
    """Every door with everybody who may, as a test's parameters."""
    return [pytest.param(door, who, id=f"{door}-{who}") for door in doors for who in door.may]


def check_it_works(door: Door, ask: Ask, user: User, *, writes_more: bool = False) -> Any:
    """It answers who may, and has recorded what they did: `verb`, once; with `writes_more`, other things too."""
    before = Event.objects.count()
    answer = ask(client_of(user), door.method)
    assert answer.status_code == door.status, answer.content
    written = [(event.verb, event.actor_id) for event in Event.objects.order_by("id")[before:]]
    if writes_more and door.verb:
        written = [event for event in written if event[0] == door.verb]
    assert written == ([(door.verb, str(user.pk))] if door.verb else [])
    return answer


def check_it_is_closed(door: Door, ask: Ask, people: People) -> None:
    """It is closed to a stranger, to everybody else, and to other methods; none of them changes anything."""
    before = Event.objects.count()
    stranger = ask(client_of(), door.method)
    assert stranger.status_code == 401
    assert stranger["Content-Type"] == "application/problem+json"
    assert stranger["WWW-Authenticate"].startswith("Bearer")
    assert stranger.json()["code"] == "authentication.required"
    for who in door.forbidden:
        answer = ask(client_of(people(who)), door.method)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission.denied"), who
    for who in door.absent:
        answer = ask(client_of(people(who)), door.method)
        assert answer.status_code == 404, (who, answer.content)
        assert answer.json()["code"].endswith(".not_found")
    for method in WRONG_METHODS:
        answer = ask(client_of(people(door.may[0])), method)
        assert (answer.status_code, answer.json()["code"]) == (405, "method.not_allowed")
        assert door.method.upper() in answer["Allow"]
    assert Event.objects.count() == before


def check_a_token_needs_its_scope(
    door: Door, scope: Scope, ask: Ask, user: User, *, session_only: bool = False
) -> Iterator[Any]:
    """All other scopes do not open it, its own does; no scope does where it is an act of a session. Yields answers."""
    others = [other for other in Scope if other != scope]
    for scopes, status in ((others, 403), ([scope], 403 if session_only else door.status)):
        _, secret = issue_token(user=user, name="t", scopes=scopes, lifetime=timedelta(days=1), by=user)
        client = client_of()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
        answer = ask(client, door.method)
        assert answer.status_code == status, answer.content
        if status == 403:
            assert answer.json()["code"] == ("scope.session_only" if session_only else "scope.missing")
        yield answer


def check_none_is_forgotten(doors: Iterable[Door], *apps: str) -> None:
    """The table has every endpoint of these apps."""
    named = set(_names(get_resolver().url_patterns, set(apps)))
    assert named, "no endpoint was found"
    assert {door.name for door in doors} == named


def _names(patterns: list[URLPattern | URLResolver], apps: set[str]) -> Iterator[str]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from _names(entry.url_patterns, apps)
        elif (entry.name or "").startswith("api-") and entry.callback.__module__.split(".")[0] in apps:
            yield str(entry.name)
