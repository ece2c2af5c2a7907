"""What may not count: every kind of wrong update gets its own code."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from federation.aggregation.blocks import BLOCK_WORDS, block_ranges, dot
from federation.aggregation.checks import check_update
from federation.errors import Invalid
from federation.learning.weights import write_weights
from federation.protocol.tensors import TensorSpec
from tests.unit.federation.aggregation.conftest import LAYOUT, WORDS, put, put_raw, vector

LARGE = (TensorSpec("only", (BLOCK_WORDS * 2 + 5,)),)


def test_a_good_update_passes_with_its_norm(tmp_path: Path) -> None:
    flat = vector(1)
    norm_l2 = check_update(put(tmp_path / "update", flat), LAYOUT, 1e4)
    assert norm_l2 == pytest.approx(np.linalg.norm(flat.astype(np.float64)), rel=1e-14)


def test_the_norm_is_exact_over_many_blocks_and_wide_ranges(tmp_path: Path) -> None:
    flat = vector(2, LARGE[0].size)
    flat[::1000] *= 1e15
    norm_l2 = check_update(put(tmp_path / "update", flat, LARGE), LARGE, 1e30)
    assert norm_l2 == pytest.approx(np.linalg.norm(flat.astype(np.float64)), rel=1e-13)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _truncate_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def _metadata(path: Path) -> None:
    put_raw(path, {"__metadata__": {"note": "hello"}}, b"")


def _double(path: Path) -> None:
    put_raw(path, {"head": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, b"\0" * 8)


def _other_shape(path: Path) -> None:
    layout = (TensorSpec("body.weight", (100, 30)), *LAYOUT[1:])
    put(path, vector(1), layout)


def _extra_tensor(path: Path) -> None:
    layout = (*LAYOUT, TensorSpec("stowaway", (3,)))
    put(path, vector(1, WORDS + 3), layout)


def _missing_tensor(path: Path) -> None:
    put(path, vector(1, WORDS - 7), LAYOUT[:2])


def _other_order(path: Path) -> None:
    put(path, vector(1), LAYOUT[::-1])


def _other_name(path: Path) -> None:
    put(path, vector(1), (*LAYOUT[:2], TensorSpec("tail", (7,))))


def _with(value: float, place: int) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        flat = vector(1)
        flat[place] = value
        put(path, flat)

    return change


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (_truncate, "update.truncated"),
        (_truncate_header, "update.truncated"),
        (_empty, "update.truncated"),
        (_grow, "update.size"),
        (_metadata, "update.header"),
        (_double, "update.dtype"),
        (_other_shape, "update.shape"),
        (_extra_tensor, "update.schema"),
        (_missing_tensor, "update.schema"),
        (_other_order, "update.schema"),
        (_other_name, "update.schema"),
        (_with(np.nan, 0), "update.not_finite"),
        (_with(np.nan, WORDS - 1), "update.not_finite"),
        (_with(np.inf, 17), "update.not_finite"),
        (_with(-np.inf, 17), "update.not_finite"),
        (_with(3e38, 17), "update.norm_exceeded"),
        (_with(1e4, 17), "update.norm_exceeded"),
    ],
)
def test_update_checks_refuse_a_wrong_update(tmp_path: Path, damage: Callable[[Path], None], code: str) -> None:
    path = tmp_path / "update"
    put(path, vector(1))
    damage(path)
    with pytest.raises(Invalid) as caught:
        check_update(path, LAYOUT, 1e4)
    assert caught.value.code == code


def test_the_bound_itself_is_allowed(tmp_path: Path) -> None:
    layout = (TensorSpec("a", (4,)),)
    path = tmp_path / "update"
    write_weights(path, layout, {"a": np.full(4, 5, np.float32)})
    assert check_update(path, layout, 10.0) == 10.0
    with pytest.raises(Invalid) as caught:
        check_update(path, layout, np.nextafter(10.0, 0))
    assert caught.value.code == "update.norm_exceeded"


def test_blocks_cover_every_word_once() -> None:
    assert list(block_ranges(10, 4)) == [(0, 4), (4, 4), (8, 2)]
    assert list(block_ranges(8, 4)) == [(0, 4), (4, 4)]
    assert list(block_ranges(0, 4)) == []


@pytest.mark.parametrize("words", [0, 1, 8191, 8192, 8193, 100_000])
def test_dot_products_match_numpy(words: int) -> None:
    one, other = vector(1, words).astype(np.float64), vector(2, words).astype(np.float64)
    assert dot(one, other) == pytest.approx(float(np.sum(one * other)), rel=1e-10, abs=1e-9)
    assert dot(one.astype(np.float32), other.astype(np.float32)) == pytest.approx(dot(one, other), rel=1e-3, abs=1e-2)
