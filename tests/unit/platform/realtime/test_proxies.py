"""Who asks, seen through the proxies that are trusted and no others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.proxies import FORWARDED, Proxies

OURS = Proxies.named(["10.0.0.0/8", "2001:db8::7", "unix"])
STRANGER = "198.51.100.9"


def scope(client: str | None, **headers: str | list[str]) -> dict[str, Any]:
    pairs = [
        (name.replace("_", "-").encode(), value.encode("latin-1"))
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return {"type": "http", "scheme": "http", "client": client and (client, 4711), "headers": pairs}


@pytest.mark.parametrize(
    ("peer", "hops", "client"),
    [
        ("10.0.0.1", STRANGER, STRANGER),
        ("10.0.0.1", f"1.2.3.4, {STRANGER}", STRANGER),
        ("10.0.0.1", f"1.2.3.4, {STRANGER}, 10.0.0.2", STRANGER),
        ("10.0.0.1", [f"1.2.3.4, {STRANGER}", "10.0.0.2"], STRANGER),
        ("::ffff:10.0.0.1", STRANGER, STRANGER),
        ("2001:db8::7", "2001:db8::8", "2001:db8::8"),
        ("10.0.0.1", "[2001:db8::8]:443", "2001:db8::8"),
        ("10.0.0.1", f"{STRANGER}:443", STRANGER),
        ("10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("10.0.0.1", "1.2.3.4, not an address", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4, not an address, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "1.2.3.4,", "10.0.0.1"),
        ("127.0.0.1", "1.2.3.4", "127.0.0.1"),
        (STRANGER, "1.2.3.4", STRANGER),
        (None, STRANGER, STRANGER),
    ],
)
def test_the_client_is_the_last_hop_that_is_none_of_ours(peer: str | None, hops: str | list[str], client: str) -> None:
    assert OURS.seen_through(scope(peer, x_forwarded_for=hops))["client"][0] == client


@pytest.mark.parametrize(
    ("peer", "reported_value", "scheme"),
    [
        ("10.0.0.1", "https", "https"),
        ("10.0.0.1", "http, https", "https"),
        ("10.0.0.1", "https, http", "http"),
        ("10.0.0.1", "gopher", "http"),
        ("127.0.0.1", "https", "http"),
        (STRANGER, "https", "http"),
    ],
)
def test_the_scheme_is_what_our_own_proxy_says(peer: str, reported_value: str, scheme: str) -> None:
    assert OURS.seen_through(scope(peer, x_forwarded_proto=reported_value))["scheme"] == scheme


def test_forwarded_headers_are_ignored_where_no_proxy_is_trusted() -> None:
    for peer in ("127.0.0.1", "::1", "10.0.0.1", None):
        seen = Proxies().seen_through(scope(peer, x_forwarded_for="1.2.3.4", x_forwarded_proto="https"))
        assert (seen["client"] and seen["client"][0], seen["scheme"]) == (peer, "http")


@pytest.mark.parametrize("name", sorted(FORWARDED))
@pytest.mark.parametrize("peer", ["10.0.0.1", STRANGER])
def test_no_header_of_hops_goes_further(name: bytes, peer: str) -> None:
    asked = scope(peer, host="example.org")
    asked["headers"] += [(name, b"1.2.3.4"), (name.title(), b"1.2.3.4")]
    assert OURS.seen_through(asked)["headers"] == [(b"host", b"example.org")]


@given(st.text(max_size=60))
def test_whatever_a_stranger_writes_the_proxy_s_own_word_counts(written: str) -> None:
    line = written.encode("utf-8", "replace").decode("latin-1")
    seen = OURS.seen_through(scope("10.0.0.1", x_forwarded_for=[line, STRANGER]))
    assert seen["client"][0] == STRANGER


@pytest.mark.parametrize("word", ["nginx", "10.0.0.1/8", "*", "10.0.0.0/40"])
def test_what_is_no_address_is_no_proxy(word: str) -> None:
    with pytest.raises(ValueError):
        Proxies.named([word])
