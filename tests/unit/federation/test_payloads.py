"""Kinds of payload: what is one by its head and its length, and nothing else is."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import pytest

from federation.errors import Invalid
from federation.protection.clear import Clear
from federation.protection.encrypted import Encrypted
from federation.protocol.documents import Protection
from federation.protocol.payloads import PAYLOADS, check_payload, ciphertext_ckks, masked_u32, statistics_v1, update_i8
from federation.protocol.tensors import Layout, TensorSpec, encode_header

LAYOUT = (TensorSpec("weight", (3, 2)), TensorSpec("bias", (3,)), TensorSpec("scale", ()))
PARAMETERS = 10
CLEAR = Clear()
SEALED = Encrypted(degree=4096, primes=(54, 54), scale=30)
GOOD: dict[str, tuple[bytes, Protection]] = {
    "update.f32": (encode_header(LAYOUT) + b"\x00" * 4 * PARAMETERS, CLEAR),
    "update.i8": (update_i8.header(LAYOUT) + b"\x00" * (4 * 3 + PARAMETERS), CLEAR),
    "masked.u32": (masked_u32.header(LAYOUT) + b"\xff" * 4 * PARAMETERS, CLEAR),
    "ciphertext.ckks": (struct.pack("<II", 1, 5) + b"xxxxx", SEALED),
    "statistics.v1": (statistics_v1.encode({"columns": {"age": {"mean": 54.5}}, "a": [1, "é"]}), CLEAR),
}
FLOAT = [name for name in GOOD if name not in {"ciphertext.ckks", "statistics.v1"}]


def refused(name: str, data: bytes, protection: Protection | None = None) -> str:
    with pytest.raises(Invalid) as caught:
        check_payload(name, io.BytesIO(data), LAYOUT, protection or GOOD[name][1])
    return caught.value.code


def test_every_kind_has_an_example() -> None:
    assert set(PAYLOADS) == GOOD.keys()


@pytest.mark.parametrize("name", GOOD)
def test_what_is_one_passes_within_its_size(name: str) -> None:
    data, protection = GOOD[name]
    check_payload(name, io.BytesIO(data), LAYOUT, protection)
    assert len(data) <= PAYLOADS[name].size_bytes_max(LAYOUT, protection)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("spoil", [lambda d: d[:-1], lambda d: d + b"\x00", lambda d: b"", lambda d: b"\x00" * len(d)])
def test_what_is_too_short_or_long_or_something_else_is_refused(name: str, spoil: Callable[[bytes], bytes]) -> None:
    assert refused(name, spoil(GOOD[name][0])).startswith(("payload.", "update."))


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("other", GOOD)
def test_no_kind_passes_as_another(name: str, other: str) -> None:
    if name != other:
        assert refused(name, GOOD[other][0]).startswith(("payload.", "update."))


@pytest.mark.parametrize("name", FLOAT)
def test_every_byte_of_a_head_counts(name: str) -> None:
    data = GOOD[name][0]
    head_bytes = 8 + struct.unpack("<Q", data[:8])[0]
    for place in range(head_bytes):
        spoiled = data[:place] + bytes([data[place] ^ 0x01]) + data[place + 1 :]
        try:
            check_payload(name, io.BytesIO(spoiled), LAYOUT, CLEAR)
        except Invalid:
            continue
        pytest.fail(f"byte {place} of {name} may be another")


@pytest.mark.parametrize("name", FLOAT)
def test_another_layout_is_refused(name: str) -> None:
    other: Layout = (TensorSpec("weight", (2, 3)), *LAYOUT[1:])
    if name == "masked.u32":
        other = (*LAYOUT, TensorSpec("more", (1,)))
    with pytest.raises(Invalid, match=r"update\.|payload\."):
        check_payload(name, io.BytesIO(GOOD[name][0]), other, CLEAR)


def test_ciphertexts_are_counted_and_bounded() -> None:
    most = SEALED.ciphertext_bytes_max
    assert refused("ciphertext.ckks", struct.pack("<II", 2, 5) + b"xxxxx") == "payload.count"
    assert refused("ciphertext.ckks", struct.pack("<II", 1, 0)) == "payload.length"
    assert refused("ciphertext.ckks", struct.pack("<II", 1, most + 1) + b"x" * (most + 1)) == "payload.length"
    assert refused("ciphertext.ckks", GOOD["ciphertext.ckks"][0], CLEAR) == "payload.protection"
    large = (TensorSpec("weight", (SEALED.slots + 1,)),)
    assert ciphertext_ckks.count_ciphertexts(large, SEALED) == 2


@pytest.mark.parametrize(
    "data",
    [b"[]", b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1}\n', b'{"a":NaN}', b'{"a":1,"a":1}', b"\xff", b'{"a":"\\u00e9"}'],
)
def test_statistics_are_written_in_one_way(data: bytes) -> None:
    assert refused("statistics.v1", data) == "payload.malformed"


def test_a_statistics_payload_beyond_its_bound_is_refused() -> None:
    data = statistics_v1.encode({"a": "x" * statistics_v1.SIZE_BYTES_MAX})
    assert refused("statistics.v1", data).startswith("payload.")


def test_a_kind_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Invalid, match=r"payload\.kind"):
        check_payload("nobody.knows", io.BytesIO(b""), LAYOUT, CLEAR)
