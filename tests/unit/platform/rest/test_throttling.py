"""Throttles, with and without Redis."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache.backends.redis import RedisCache
from rest_framework.test import APIRequestFactory

from accounts.models import User
from rest.throttling import PerAddress, PerUser


def request_of(user: User | AnonymousUser, address: str = "192.0.2.1", forwarded_for: str = "") -> Any:
    request = APIRequestFactory().get("/", REMOTE_ADDR=address, HTTP_X_FORWARDED_FOR=forwarded_for)
    request.user = user
    return request


@pytest.fixture
def view() -> Any:
    return SimpleNamespace()


def limited(kind: type, monkeypatch: pytest.MonkeyPatch, cache: Any = None) -> Any:
    monkeypatch.setattr(kind, "rate", "3/min", raising=False)
    throttle = kind()
    if cache is not None:
        throttle.cache = cache
    return throttle


def test_a_person_has_so_many_requests_a_minute(monkeypatch: pytest.MonkeyPatch, view: Any) -> None:
    user = User(full_name="Ada")
    rows = [limited(PerUser, monkeypatch).allow_request(request_of(user), view) for _ in range(4)]
    assert rows == [True, True, True, False]
    assert limited(PerUser, monkeypatch).allow_request(request_of(User(full_name="Bo")), view)


def test_an_address_has_so_many_whatever_it_says_it_is(monkeypatch: pytest.MonkeyPatch, view: Any) -> None:
    rows = [
        limited(PerAddress, monkeypatch).allow_request(
            request_of(AnonymousUser(), "192.0.2.77", f"10.0.0.{number}"), view
        )
        for number in range(4)
    ]
    assert rows == [True, True, True, False]


@pytest.mark.parametrize(("kind", "user"), [(PerUser, User(full_name="Ada")), (PerAddress, AnonymousUser())])
def test_throttling_lets_requests_pass_without_redis(
    kind: type, user: User | AnonymousUser, monkeypatch: pytest.MonkeyPatch, view: Any, caplog: pytest.LogCaptureFixture
) -> None:
    gone = RedisCache("redis://127.0.0.1:1/0", {})
    rows = [limited(kind, monkeypatch, gone).allow_request(request_of(user), view) for _ in range(4)]
    assert rows == [True] * 4
    assert "Redis is away" in caplog.text
