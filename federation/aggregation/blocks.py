"""Words of a file in blocks: positioned reads into given memory, never a map, so that memory is a block and no more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from federation.errors import Invalid
from federation.protocol.tensors import WORD_BYTES, Header, Layout, read_header

BLOCK_WORDS = 128 * 1024
_DOT_WORDS = 8 * 1024


def block_ranges(words: int, block_words: int = BLOCK_WORDS) -> Iterator[tuple[int, int]]:
    """(offset, count) of the blocks that cover `words` words."""
    for offset in range(0, words, block_words):
        yield offset, min(block_words, words - offset)


def dot(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Dot product of two vectors of one type (float32 or float64): in that type over 8 Ki words, beyond in float64.

    In such small parts because BLAS takes more threads for longer vectors, which here only burns a second core, and
    because float32 then stays exact to some 1e-6.
    """
    body = len(one) - len(one) % _DOT_WORDS
    parts = np.vecdot(one[:body].reshape(-1, _DOT_WORDS), other[:body].reshape(-1, _DOT_WORDS))
    return float(parts.sum(dtype=np.float64)) + float(np.dot(one[body:], other[body:]))


class TensorFile:
    """A safetensors file open for reading its data word by word, after its head was checked.

    Raises Invalid ``tensors.*`` for a malformed file.
    """

    def __init__(self, path: Path) -> None:
        self._stream = path.open("rb", buffering=0)
        try:
            self.header: Header = read_header(self._stream)
        except BaseException:
            self._stream.close()
            raise

    @classmethod
    def of_layout(cls, path: Path, layout: Layout) -> Self:
        """Open a file that must be of this layout. Raises Invalid ``model.layout`` when it is not."""
        opened = cls(path)
        if opened.header.layout != layout:
            opened.close()
            raise Invalid("model.layout", "The file's tensors are not those of the model.")
        return opened

    def read_into(self, words: NDArray[np.float32], offset: int) -> None:
        """Fill `words` (float32, contiguous) from word `offset` on. Raises Invalid ``tensors.truncated``."""
        view = words.view(np.uint8).data
        position = self.header.data_offset + offset * WORD_BYTES
        done = 0
        while done < len(view):
            count = os.preadv(self._stream.fileno(), [view[done:]], position + done)
            if not count:
                raise Invalid("tensors.truncated", "The file ended while it was read.")
            done += count

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
