"""Every endpoint of accounts, consortia and the record, asked the same questions.

Does it work for who may; is a stranger told to sign in (401), somebody without the role refused (403), somebody of
another consortium told that there is nothing (404); is a wrong method refused (405); is what changed written down?
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from audit.models import Event
from tests.integration.rest.endpoints import Endpoint
from tests.integration.rest.offer_endpoints import EVERY_ENDPOINT
from tests.support.world import World, client_of


def send(endpoint: Endpoint, world: World, path: str, who: str | None, method: str = "") -> Any:
    """The endpoint's answer to somebody."""
    client = client_of(getattr(world, who) if who else None)
    return getattr(client, method or endpoint.method)(path, endpoint.body(world) or None, format="json")


@pytest.mark.parametrize(
    ("endpoint", "who"),
    [pytest.param(endpoint, who, id=f"{endpoint}-{who}") for endpoint in EVERY_ENDPOINT for who in endpoint.may],
)
def test_works_for_who_may_and_is_written_down(world: World, endpoint: Endpoint, who: str) -> None:
    path = endpoint.path(world)
    before = Event.objects.count()
    answer = send(endpoint, world, path, who)
    assert answer.status_code == endpoint.status, answer.content
    written = list(Event.objects.order_by("id")[before:])
    if endpoint.verb:
        assert endpoint.verb in [event.verb for event in written]
        assert all(event.actor_id == str(getattr(world, who).pk) for event in written)
    else:
        assert not written


@pytest.mark.parametrize("endpoint", EVERY_ENDPOINT, ids=str)
def test_is_closed_to_everybody_else(world: World, endpoint: Endpoint) -> None:
    path = endpoint.path(world)
    before = Event.objects.count()
    stranger = send(endpoint, world, path, None)
    assert stranger.status_code == 401
    assert stranger["Content-Type"] == "application/problem+json"
    assert stranger["WWW-Authenticate"].startswith("Bearer")
    assert stranger.json()["code"] == "authentication.required"
    for who in endpoint.forbidden:
        answer = send(endpoint, world, path, who)
        assert (answer.status_code, answer.json()["code"]) == (403, "permission.denied"), who
    for who in endpoint.absent:
        answer = send(endpoint, world, path, who)
        assert answer.status_code == 404, (who, answer.content)
        assert answer.json()["code"].endswith(".not_found")
    for method in ("put", "options"):
        answer = send(endpoint, world, path, "keeper", method)
        assert (answer.status_code, answer.json()["code"]) == (405, "method.not_allowed")
        assert endpoint.method.upper() in answer["Allow"]
    assert Event.objects.count() == before


def names(patterns: list[URLPattern | URLResolver]) -> Iterator[str]:
    """The names of all addresses of our REST API."""
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from names(entry.url_patterns)
        elif entry.name and entry.name.startswith("api-"):
            module = entry.callback.__module__.split(".")[0]
            if module in {"accounts", "consortia"}:
                yield entry.name


def test_no_endpoint_is_forgotten() -> None:
    assert {endpoint.name for endpoint in EVERY_ENDPOINT} == set(names(get_resolver().url_patterns))
