"""A key is one encoding of one point that somebody can hold; a base64 text is one text of its bytes."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import FederationError, Invalid
from federation.protocol import envelope
from federation.protocol.keys import PrivateKey, PublicKey
from federation.validation.encodings import strict_base64

P = 2**255 - 19
# The encodings of points of small order, canonical and not: github.com/jedisct1/libsodium,
# src/libsodium/crypto_core/ed25519/ref10/ed25519_ref10.c, ge25519_has_small_order, each with both signs.
SMALL = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def signed_otherwise(encoded: str) -> bytes:
    """The same with the sign bit of x set."""
    raw = bytearray(bytes.fromhex(encoded))
    raw[31] ^= 0x80
    return bytes(raw)


@pytest.mark.parametrize("raw", [bytes.fromhex(one) for one in SMALL] + [signed_otherwise(one) for one in SMALL])
def test_a_point_of_small_order_is_no_key(raw: bytes) -> None:
    with pytest.raises(Invalid, match=r"key\.invalid"):
        PublicKey(raw)


def test_bytes_that_are_no_point_are_no_key() -> None:
    refused = 0
    for y in range(2, 60):
        try:
            PublicKey(y.to_bytes(32, "little"))
        except Invalid:
            refused += 1
    assert 20 < refused < 40, "about half of all numbers are the y of no point"


@given(st.binary(min_size=32, max_size=32))
def test_a_real_key_is_always_taken(seed: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = PrivateKey(Ed25519PrivateKey.from_private_bytes(seed))
    assert PublicKey.from_encoded(key.public.encoded) == key.public


def test_a_base64_with_bits_left_over_is_refused() -> None:
    text = PrivateKey.generate().public.encoded
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = text[:-2] + alphabet[alphabet.index(text[-2]) + 1] + "="
    assert base64.b64decode(other) == base64.b64decode(text), "a lenient reader takes it for the same"
    with pytest.raises(Invalid, match=r"key\.invalid"):
        PublicKey.from_encoded(other)
    for spoilt in (f" {text}", f"{text}\n", text.rstrip("="), f"{text}="):
        with pytest.raises(Invalid, match=r"base64\.malformed"):
            strict_base64(spoilt)


def test_an_envelope_is_written_in_one_way_only() -> None:
    key = PrivateKey.generate()
    sealed = json.loads(envelope.sign(b"{}" * 2, "application/x", key))
    assert envelope.verify(json.dumps(sealed).encode(), "application/x", [key.public]).payload == b"{}{}"
    signature = sealed["signatures"][0]["sig"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    loose = signature[:-3] + alphabet[alphabet.index(signature[-3]) | 7] + "=="
    others: list[dict[str, object]] = [
        {**sealed, "payload": sealed["payload"] + "\n"},
        {**sealed, "signatures": [{"keyid": key.public.key_id, "sig": loose}]},
    ]
    for changed in others:
        with pytest.raises(FederationError, match=r"envelope\.malformed"):
            envelope.verify(json.dumps(changed).encode(), "application/x", [key.public])
    twice = json.dumps(sealed).replace('"payloadType"', '"payload": "e30=", "payloadType"').encode()
    with pytest.raises(FederationError, match=r"envelope\.malformed"):
        envelope.payload_unverified(twice)
