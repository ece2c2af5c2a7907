"""A hash chain: vectors worked out by hand, and any change found at its place."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.protocol.chains import Break, canonical, first_digest, next_digest, verify_chain

Links = list[tuple[int, bytes, bytes]]


def chain(records: list[bytes], name: str = "test") -> Links:
    """The links of these records."""
    digest, links = first_digest(name), []
    for position, record in enumerate(records, start=1):
        digest = next_digest(digest, record)
        links.append((position, record, digest))
    return links


def test_the_digests_are_those_of_the_definition() -> None:
    first = hashlib.sha256(b"consilience/chain/v1/first\x00platform").digest()
    assert first_digest("platform") == first
    second = hashlib.sha256(b"consilience/chain/v1/link\x00" + first + b'{"a":1}').digest()
    assert next_digest(first, canonical({"a": 1})) == second


def test_an_audit_log_is_written_in_one_way_only() -> None:
    assert canonical({"b": [1, None], "a": "ü"}) == '{"a":"ü","b":[1,null]}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})


@given(st.lists(st.binary(max_size=20), max_size=8))
def test_an_unchanged_chain_passes_verification(records: list[bytes]) -> None:
    links = chain(records)
    head = links[-1][2] if links else first_digest("test")
    assert verify_chain("test", links, head) == len(records)


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=8), st.data())
def test_one_flipped_bit_is_found_where_it_is(records: list[bytes], data: st.DataObject) -> None:
    links = chain(records)
    at = data.draw(st.integers(0, len(links) - 1))
    position, record, digest = links[at]
    changed = bytearray(record)
    changed[data.draw(st.integers(0, len(record) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    links[at] = (position, bytes(changed), digest)
    found = verify_chain("test", links)
    assert isinstance(found, Break)
    assert (found.position, found.code) == (at + 1, "chain.digest")


def test_what_is_missing_swapped_or_cut_off_is_found() -> None:
    links = chain([b"a", b"b", b"c"])
    head = links[-1][2]
    assert verify_chain("test", links[1:]) == Break(1, "chain.gap", "The record at position 1 is missing.")
    assert isinstance(verify_chain("test", [links[1], links[0], links[2]]), Break)
    cut = verify_chain("test", links[:2], head)
    assert isinstance(cut, Break)
    assert cut.code == "chain.head"
    assert isinstance(verify_chain("another", links), Break)
    rewritten = chain([b"a", b"x", b"c"])
    assert verify_chain("test", rewritten) == 3  # whole in itself: only a head kept elsewhere shows it
    assert isinstance(verify_chain("test", rewritten, head), Break)


def test_a_digest_of_another_length_is_no_digest() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        next_digest(b"short", b"")
