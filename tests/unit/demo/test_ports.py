"""Two demos that start at the same moment don't take the same port."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from demo import coordinator
from demo.coordinator import choose_port
from demo.redis_server import free_port


@pytest.fixture(autouse=True)
def claims(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give back at the end what was claimed."""
    made: list[socket.socket] = []
    monkeypatch.setattr(coordinator, "_claims", made)
    yield
    for claim in made:
        claim.close()


def test_a_free_port_that_was_wished_for_is_taken_once() -> None:
    wished = free_port()
    assert choose_port([None, wished]) == wished
    assert choose_port([wished]) != wished


def test_a_port_where_somebody_listens_is_not_taken() -> None:
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        somebody.listen()
        assert choose_port([somebody.getsockname()[1]]) != somebody.getsockname()[1]
