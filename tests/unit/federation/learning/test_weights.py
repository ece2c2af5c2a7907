"""Weights in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from federation.errors import Invalid
from federation.learning.weights import read_flat, read_weights, write_weights
from federation.protocol.digests import digest_file
from federation.protocol.tensors import TensorSpec, file_size_bytes
from tests.support.every import every

LAYOUT = (TensorSpec("z", (2, 3)), TensorSpec("a", (3,)), TensorSpec("none", (0,)), TensorSpec("one", ()))
WEIGHTS = {
    "z": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array([np.float32(0.1), -0.0, 1e-40], dtype=np.float32),
    "none": np.empty(0, dtype=np.float32),
    "one": np.array(7, dtype=np.float32),
}


def test_what_is_written_is_read_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / "model"
    digest = write_weights(path, LAYOUT, WEIGHTS)
    assert digest == digest_file(path)
    assert path.stat().st_size == file_size_bytes(LAYOUT)
    library = safetensors.numpy.load_file(path)
    for name, array in every(read_weights(path, LAYOUT).items()):
        assert array.tobytes() == WEIGHTS[name].tobytes() == library[name].tobytes()
        assert array.shape == WEIGHTS[name].shape
    np.testing.assert_array_equal(read_flat(path, LAYOUT)[:6], np.arange(6))


def test_weights_that_are_no_contiguous_float32_are_written_as_such(tmp_path: Path) -> None:
    turned = {**WEIGHTS, "z": np.arange(6, dtype=np.float64).reshape(3, 2).T.astype(np.float32)}
    write_weights(tmp_path / "model", LAYOUT, turned)
    np.testing.assert_array_equal(read_weights(tmp_path / "model", LAYOUT)["z"], [[0, 2, 4], [1, 3, 5]])


@pytest.mark.parametrize(
    "wrong", [{"z": WEIGHTS["z"]}, {**WEIGHTS, "extra": WEIGHTS["a"]}, {**WEIGHTS, "z": WEIGHTS["z"].T}]
)
def test_only_the_layout_is_written(
    tmp_path: Path, wrong: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
) -> None:
    with pytest.raises(Invalid) as caught:
        write_weights(tmp_path / "model", LAYOUT, wrong)
    assert caught.value.code == "model.layout"


def test_only_the_layout_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_weights(path, LAYOUT, WEIGHTS)
    for layout in (LAYOUT[::-1], (TensorSpec("z", (3, 2)), *LAYOUT[1:]), (TensorSpec("y", (2, 3)), *LAYOUT[1:])):
        with pytest.raises(Invalid) as caught:
            read_weights(path, layout)
        assert caught.value.code == "model.layout"


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model"
    write_weights(path, LAYOUT, WEIGHTS)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Invalid) as caught:
        read_weights(path, LAYOUT)
    assert caught.value.code == "tensors.truncated"
