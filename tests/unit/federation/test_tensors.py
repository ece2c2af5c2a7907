"""Tensors on the wire: what we write the safetensors library reads, and nothing malformed or ambiguous is accepted."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from federation.errors import Invalid
from federation.protocol.tensors import (
    HEADER_BYTES_MAX,
    Layout,
    TensorSpec,
    count_parameters,
    encode_header,
    file_size_bytes,
    read_header,
    write_header,
)

NAMES = st.text("abcXYZ019._-/", min_size=1, max_size=20)
SHAPES = st.lists(st.integers(0, 5), max_size=4).map(tuple)
LAYOUTS = st.lists(st.tuples(NAMES, SHAPES), max_size=6, unique_by=lambda pair: pair[0]).map(
    lambda pairs: tuple(TensorSpec(name, shape) for name, shape in pairs)
)


def make_file(header: Any, data: bytes = b"", *, length: int | None = None) -> io.BytesIO:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return io.BytesIO(struct.pack("<Q", len(text) if length is None else length) + text + data)


def entry(begin: int = 0, end: int = 8, shape: Any = (2,), dtype: Any = "F32", **more: Any) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end], **more}


def refused(stream: io.BytesIO, **limits: int) -> str:
    with pytest.raises(Invalid) as caught:
        read_header(stream, **limits)
    return caught.value.code


def outcome(data: bytes) -> Layout | str:
    try:
        return read_header(io.BytesIO(data)).layout
    except Invalid as error:
        return error.code


def values(layout: Layout, seed: int = 0) -> dict[str, Any]:
    generator = np.random.default_rng(seed)
    return {spec.name: generator.standard_normal(spec.shape).astype(np.float32) for spec in layout}


def written(layout: Layout, arrays: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    write_header(stream, layout)
    for spec in layout:
        stream.write(arrays[spec.name].tobytes())
    return stream.getvalue()


@given(LAYOUTS)
def test_the_library_reads_what_we_write(layout: Layout) -> None:
    arrays = values(layout)
    found = safetensors.numpy.load(written(layout, arrays))
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@given(LAYOUTS)
def test_we_read_what_we_write_and_know_its_size(layout: Layout) -> None:
    data = written(layout, values(layout))
    header = read_header(io.BytesIO(data), len(data))
    assert header.layout == layout
    assert header.data_offset % 8 == 0
    assert header.data_offset + 4 * count_parameters(layout) == len(data) == file_size_bytes(layout)


@given(LAYOUTS)
def test_we_read_what_the_library_writes(layout: Layout) -> None:
    arrays = values(layout)
    data = safetensors.numpy.save(arrays)
    header = read_header(io.BytesIO(data))
    assert {spec.name: spec.shape for spec in header.layout} == {spec.name: spec.shape for spec in layout}
    begin = header.data_offset
    for spec in header.layout:
        found = np.frombuffer(data, "<f4", spec.size, begin).reshape(spec.shape)
        np.testing.assert_array_equal(found, arrays[spec.name])
        begin += 4 * spec.size


@given(st.data())
def test_of_damaged_files_we_accept_none_that_the_library_refuses(draw: st.DataObject) -> None:
    layout = (TensorSpec("a", (2, 2)), TensorSpec("b.c", (3,)))
    data = bytearray(written(layout, values(layout)))
    kind = draw.draw(st.sampled_from(["flip", "cut", "grow", "insert"]))
    place = draw.draw(st.integers(0, len(data) - 1))
    if kind == "flip":
        data[place] = draw.draw(st.integers(0, 255))
    elif kind == "cut":
        del data[place:]
    elif kind == "grow":
        data += draw.draw(st.binary(min_size=1, max_size=9))
    else:
        data[place:place] = draw.draw(st.binary(min_size=1, max_size=4))
    layout_or_code = outcome(bytes(data))
    if isinstance(layout_or_code, str):
        assert layout_or_code.startswith("tensors.")
        return
    found = safetensors.deserialize(bytes(data))  # type: ignore[no-untyped-call]
    assert {name: tuple(info["shape"]) for name, info in found} == {spec.name: spec.shape for spec in layout_or_code}


@given(st.binary(max_size=200))
@example(b"")
@example(b"\x02\x00\x00\x00\x00\x00\x00\x00{}")
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    layout_or_code = outcome(data)
    assert not isinstance(layout_or_code, str) or layout_or_code.startswith("tensors.")


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        pytest.param(io.BytesIO(b""), "tensors.truncated", id="empty"),
        pytest.param(io.BytesIO(b"\x01\x00\x00"), "tensors.truncated", id="length cut off"),
        pytest.param(make_file({"a": entry()}, length=500), "tensors.truncated", id="header cut off"),
        pytest.param(make_file({}, length=2**63), "tensors.header", id="huge header length"),
        pytest.param(make_file({}, length=HEADER_BYTES_MAX + 1), "tensors.header", id="header above the limit"),
        pytest.param(make_file({"a": entry()}, b"\0" * 7), "tensors.truncated", id="data cut off"),
        pytest.param(make_file({"a": entry()}, b"\0" * 9), "tensors.trailing", id="trailing byte"),
        pytest.param(make_file(b"[]"), "tensors.header", id="no object"),
        pytest.param(make_file(b" {}"), "tensors.header", id="leading space"),
        pytest.param(make_file(b'{"a":'), "tensors.header", id="broken json"),
        pytest.param(make_file(b'{"\xff": 1}'), "tensors.header", id="not utf-8"),
        pytest.param(make_file(b'{"a":' + b"[" * 100_000), "tensors.header", id="deep nesting"),
        pytest.param(make_file(b'{"a":' + b"9" * 10_000 + b"}"), "tensors.header", id="endless integer"),
        pytest.param(make_file({"__metadata__": {"a": "b"}}), "tensors.metadata", id="metadata"),
        pytest.param(make_file({"__metadata__": {}, "a": entry()}, b"\0" * 8), "tensors.metadata", id="empty metadata"),
        pytest.param(make_file({"a": []}), "tensors.header", id="entry is a list"),
        pytest.param(make_file({"a": entry(more=1)}, b"\0" * 8), "tensors.header", id="unknown field"),
        pytest.param(make_file({"a": {"dtype": "F32", "shape": [2]}}), "tensors.header", id="missing field"),
        pytest.param(make_file({"": entry()}, b"\0" * 8), "tensors.header", id="no name"),
        pytest.param(make_file({"a" * 201: entry()}, b"\0" * 8), "tensors.header", id="long name"),
        pytest.param(make_file(b'{"\\ud800":{}}'), "tensors.header", id="name that can't be encoded"),
        pytest.param(make_file({"a": entry(dtype="F64", end=16)}, b"\0" * 16), "tensors.dtype", id="float64"),
        pytest.param(make_file({"a": entry(dtype="BF16", end=4)}, b"\0" * 4), "tensors.dtype", id="bfloat16"),
        pytest.param(make_file({"a": entry(dtype=4)}, b"\0" * 8), "tensors.dtype", id="dtype is a number"),
        pytest.param(make_file({"a": entry(shape=2)}, b"\0" * 8), "tensors.shape", id="shape is a number"),
        pytest.param(make_file({"a": entry(shape=[-2])}, b"\0" * 8), "tensors.shape", id="negative shape"),
        pytest.param(make_file({"a": entry(shape=[True, 2])}, b"\0" * 8), "tensors.shape", id="boolean in shape"),
        pytest.param(make_file({"a": entry(shape=[2.0])}, b"\0" * 8), "tensors.shape", id="fraction in shape"),
        pytest.param(make_file({"a": entry(shape=[2] + [1] * 8)}, b"\0" * 8), "tensors.shape", id="nine dimensions"),
        pytest.param(make_file({"a": entry(shape=[0, 2**62], end=0)}), "tensors.shape", id="huge dimension of nothing"),
        pytest.param(make_file({"a": entry(shape=[2**20, 2**20])}), "tensors.too_large", id="product too large"),
        pytest.param(make_file({"a": entry(0, 4)}, b"\0" * 4), "tensors.offsets", id="offsets too short"),
        pytest.param(make_file({"a": entry(4, 12)}, b"\0" * 12), "tensors.offsets", id="gap at the start"),
        pytest.param(make_file({"a": entry(-8, 0)}, b"\0" * 8), "tensors.offsets", id="negative offset"),
        pytest.param(make_file({"a": entry(8, 0)}, b"\0" * 8), "tensors.offsets", id="end before begin"),
        pytest.param(make_file({"a": entry(0, 8), "b": entry(4, 12)}, b"\0" * 12), "tensors.offsets", id="overlapping"),
        pytest.param(make_file({"a": entry(0, 8), "b": entry(0, 8)}, b"\0" * 8), "tensors.offsets", id="same bytes"),
        pytest.param(
            make_file({"b": entry(8, 16), "a": entry(0, 8)}, b"\0" * 16), "tensors.offsets", id="in another order"
        ),
        pytest.param(
            make_file({"a": entry(0, 8), "b": entry(12, 20)}, b"\0" * 20), "tensors.offsets", id="gap between"
        ),
        pytest.param(
            make_file(b'{"a":%b,"a":%b}' % ((json.dumps(entry()).encode(),) * 2), b"\0" * 8),
            "tensors.duplicate",
            id="same name twice",
        ),
        pytest.param(
            make_file(b'{"a":{"dtype":"F32","dtype":"F32","shape":[],"data_offsets":[0,4]}}', b"\0" * 4),
            "tensors.duplicate",
            id="same field twice",
        ),
        pytest.param(
            make_file({str(number): entry(0, 0, [0]) for number in range(4097)}), "tensors.too_large", id="many tensors"
        ),
    ],
)
def test_tensor_reader_refuses_a_malformed_file(stream: io.BytesIO, code: str) -> None:
    assert refused(stream) == code


def test_refuses_a_file_above_the_limit_before_reading_it() -> None:
    stream = make_file({"a": entry()}, b"\0" * 8)
    size = len(stream.getvalue())
    assert read_header(stream, size).layout == (TensorSpec("a", (2,)),)
    assert refused(stream, size_limit=size - 1) == "tensors.too_large"


def test_accepts_a_scalar_and_an_empty_file() -> None:
    assert read_header(make_file({"a": entry(0, 4, [])}, b"\0" * 4)).layout == (TensorSpec("a", ()),)
    assert read_header(make_file({})).layout == ()


def test_a_layout_can_not_name_a_tensor_twice() -> None:
    with pytest.raises(Invalid) as caught:
        encode_header([TensorSpec("a", (1,)), TensorSpec("a", (2,))])
    assert caught.value.code == "tensors.duplicate"


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "a b"}, {"shape": (-1,)}, {"dtype": "F64"}, {"shape": (1,) * 9}]
)
def test_a_specification_is_bounded(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TensorSpec(**{"name": "a", "shape": (1,), **wrong})
