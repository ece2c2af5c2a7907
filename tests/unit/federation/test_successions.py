"""A chain of the platform's keys grows by links that all verify, or not at all."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import FederationError
from federation.protocol import envelope
from federation.protocol.documents import PlatformKeySuccession, now, sign_document
from federation.protocol.keys import PrivateKey
from federation.protocol.successions import SUCCESSIONS_MAX, KeyChain
from tests.support.examples import examples

KEYS = [PrivateKey.generate() for _ in range(6)]
STRANGER = PrivateKey.generate()
NOW = now()
START = NOW - timedelta(days=30)


def at(sequence: int) -> datetime:
    """When the succession of this number was made: a day after the one before."""
    return START + timedelta(days=sequence)


def link(old: int, new: int | None = None, *signers: PrivateKey, **changes: Any) -> bytes:
    """The succession of a key, by default to the next one and signed by it alone."""
    fields = {
        "sequence": old + 1,
        "predecessor": KEYS[old].public.key_id,
        "public_key": KEYS[old + 1 if new is None else new].public.encoded,
        "made_at": at(old + 1),
    }
    return sign_document(PlatformKeySuccession.model_validate(fields | changes), *(signers or (KEYS[old],)))


def test_a_succession_of_tomorrow_is_not_followed_today() -> None:
    with pytest.raises(FederationError, match=r"succession\.future"):
        chain_to(1).verify_and_extend([link(1, made_at=NOW + timedelta(hours=1))], now=NOW)
    with pytest.raises(FederationError, match=r"succession\.malformed"):
        chain_to(1).verify_and_extend([link(1)[:-40] + b"}"], now=NOW)
    assert len(chain_to(1).verify_and_extend([link(1, made_at=NOW + timedelta(minutes=1))], now=NOW).links) == 2


def chain_to(end: int) -> KeyChain:
    """The chain from the first key to this one."""
    return KeyChain(KEYS[0].public).verify_and_extend([link(old) for old in range(end)], now=NOW)


def refusal(chain: KeyChain, *sent_along: bytes) -> str:
    """The code with which a chain refuses what is sent_along along."""
    with pytest.raises(FederationError) as caught:
        chain.verify_and_extend(sent_along, now=NOW)
    return caught.value.code


def test_a_key_chain_leads_from_root_to_current_key_in_any_order() -> None:
    chain = KeyChain(KEYS[0].public).verify_and_extend([link(2), link(0), link(1)], now=NOW)
    assert chain.keys == tuple(key.public for key in KEYS[:4])
    assert chain.current == KEYS[3].public
    assert chain.retired_at(KEYS[1].public.key_id) == at(2)
    assert chain.retired_at(KEYS[3].public.key_id) is None


def test_a_key_chain_begins_at_the_pinned_key() -> None:
    """Anyone who has pinned a later key can't verify what lies before it, and need not."""
    chain = KeyChain(KEYS[2].public).verify_and_extend([link(0), link(1), link(2), link(3)], now=NOW)
    assert chain.keys == tuple(key.public for key in KEYS[2:5])


def test_what_is_known_already_changes_nothing() -> None:
    chain = chain_to(3)
    for sent_along in ([], [link(0)], [link(0), link(1), link(2)]):
        assert chain.verify_and_extend(sent_along, now=NOW) is chain


def test_a_key_chain_grows_bit_by_bit_as_at_once() -> None:
    chain = chain_to(1)
    for old in range(1, 4):
        chain = chain.verify_and_extend([link(old)], now=NOW)
    assert chain == chain_to(4)


def test_a_gap_is_not_jumped_over() -> None:
    assert chain_to(1).verify_and_extend([link(2), link(3)], now=NOW) == chain_to(1)


def test_a_number_or_a_date_that_does_not_follow() -> None:
    chain = chain_to(2)
    assert refusal(chain, link(2, sequence=4)) == "succession.goes_back"
    assert refusal(chain, link(2, sequence=2)) == "succession.goes_back"
    assert refusal(chain, link(2, made_at=at(2))) == "succession.goes_back"


def test_a_key_chain_never_returns_to_an_earlier_key() -> None:
    assert refusal(chain_to(2), link(2, 0)) == "succession.goes_back"
    assert refusal(chain_to(2), link(2, 2)) == "succession.goes_back"


def test_two_successors_of_one_key_are_refused_as_forked() -> None:
    assert refusal(KeyChain(KEYS[0].public), link(0), link(0, 3)) == "succession.forked"
    assert refusal(chain_to(2), link(0, 3)) == "succession.forked"
    assert refusal(chain_to(2), link(1, made_at=at(4))) == "succession.forked"
    assert refusal(chain_to(2), link(2), link(2, 5)) == "succession.forked"


@pytest.mark.parametrize("signer", [STRANGER, KEYS[1]], ids=["a stranger", "the new key itself"])
def test_only_the_predecessor_vouches(signer: PrivateKey) -> None:
    assert refusal(KeyChain(KEYS[0].public), link(0, None, signer)) == "succession.untrusted"
    assert refusal(chain_to(1), link(0, 3, signer)) == "succession.untrusted"


def test_a_succession_needs_exactly_one_signature() -> None:
    assert refusal(KeyChain(KEYS[0].public), link(0, None, KEYS[0], STRANGER)) == "succession.malformed"
    unsigned = json.loads(link(0)) | {"signatures": []}
    assert refusal(KeyChain(KEYS[0].public), json.dumps(unsigned).encode()) == "succession.malformed"


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A succession, truly signed over something that is none."""
    content = json.loads(envelope.payload_unverified(link(0)))
    change(content)
    return envelope.sign(json.dumps(content).encode(), PlatformKeySuccession.payload_type, KEYS[0])


@pytest.mark.parametrize(
    "sent_along",
    [
        b"",
        b"[]",
        b"null",
        b"x" * 5000,
        envelope.sign(envelope.payload_unverified(link(0)), "application/vnd.consilience.order.v1+json", KEYS[0]),
        envelope.sign(b"no json", PlatformKeySuccession.payload_type, KEYS[0]),
        changed(lambda content: content.update(public_key="no key")),
        changed(lambda content: content.update(public_key=base64.b64encode(b"short").decode())),
        changed(lambda content: content.update(public_key=7)),
        changed(lambda content: content.update(predecessor="ed25519:")),
        changed(lambda content: content.update(sequence=0)),
        changed(lambda content: content.update(made_at="2026-01-01T00:00:00")),
        changed(lambda content: content.update(protocol="2.0")),
        changed(lambda content: content.update(more=1)),
        changed(lambda content: content.pop("made_at")),
    ],
)
def test_malformed_successions_are_refused(sent_along: bytes) -> None:
    assert refusal(KeyChain(KEYS[0].public), sent_along) == "succession.malformed"
    assert refusal(KeyChain(KEYS[0].public), link(0), sent_along) == "succession.malformed", "all or nothing"


def test_too_many_successions_are_refused_unread() -> None:
    assert refusal(KeyChain(KEYS[0].public), *[b""] * (SUCCESSIONS_MAX + 1)) == "succession.malformed"


@settings(max_examples=examples(150), deadline=None)
@given(
    root=st.integers(0, 2),
    bad=st.dictionaries(st.integers(0, 4), st.sampled_from(["signer", "bit", "missing"])),
    shuffled=st.permutations(range(5)),
)
def test_a_chain_is_adopted_only_as_far_as_every_link_verifies(
    root: int, bad: dict[int, str], shuffled: list[int]
) -> None:
    """An independent reckoning: the longest run of good links from the root; a false link on the way refuses all."""
    sent_along = []
    for old in shuffled:
        sealed = link(old, None, STRANGER) if bad.get(old) == "signer" else link(old)
        if bad.get(old) == "bit":
            content = json.loads(sealed)
            signature = bytearray(base64.b64decode(content["signatures"][0]["sig"]))
            signature[0] ^= 1
            content["signatures"][0]["sig"] = base64.b64encode(signature).decode()
            sealed = json.dumps(content).encode()
        if bad.get(old) != "missing":
            sent_along.append(sealed)
    first_bad = next((old for old in range(root, 5) if old in bad), 5)
    chain = KeyChain(KEYS[root].public)
    if bad.get(first_bad) in ("signer", "bit"):
        assert refusal(chain, *sent_along) == "succession.untrusted"
    else:
        assert chain.verify_and_extend(sent_along, now=NOW).keys == tuple(
            key.public for key in KEYS[root : first_bad + 1]
        )
