"""A model's weights on their way to a person: block by block, never whole in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import BinaryIO

from django.http import StreamingHttpResponse

from artefacts import store
from registry.models import ModelVersion
from registry.retirement import check_downloadable
from rest.errors import Gone

BLOCK_BYTES = 1 << 18


class FileBlocks:
    """An open file in blocks, each read in a thread; closed with the answer, also where its reader goes away early."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The blocks."""
        while block := await asyncio.to_thread(self._stream.read, BLOCK_BYTES):
            yield block

    def close(self) -> None:
        """Let go of the file."""
        self._stream.close()


def open_weights(version: ModelVersion) -> BinaryIO:
    """The weights' file. Raises Gone `model.pruned` where they are not kept, and what `check_downloadable` raises."""
    check_downloadable(version.model)
    if version.pruned_at is None:
        try:
            return store.path_of(version.digest).open("rb")
        except FileNotFoundError:  # pruned between the check and the opening
            pass
    raise Gone("model.pruned", "The weights of this version were deleted.")


def stream_weights(version: ModelVersion, weights: BinaryIO) -> StreamingHttpResponse:
    """The answer that carries them."""
    headers = {
        "Content-Length": str(version.size_bytes),
        "Content-Disposition": f'attachment; filename="{version.id}.safetensors"',
        "ETag": f'"{version.digest}"',
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(FileBlocks(weights), content_type="application/octet-stream", headers=headers)
