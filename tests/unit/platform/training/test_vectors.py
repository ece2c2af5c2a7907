"""The frozen answers, read as the platform does."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from federation.errors import FederationError
from federation.protocol.documents import Submission
from tests.support.vectors import public_key, vectors_of
from training.engine.opening_answers import open_answer

ANSWERS = list(vectors_of("submissions"))


@pytest.mark.parametrize(("_file", "vector", "content"), ANSWERS, ids=[one["name"] for _, one, _ in ANSWERS])
def test_the_platform_reads_an_answer_as_the_vector_says(
    _file: str, vector: dict[str, Any], content: dict[str, Any]
) -> None:
    sealed, key = base64.b64decode(vector["bytes"]), public_key(content, "silo")
    expected = vector["expected"]
    if "error" in expected:
        with pytest.raises(FederationError) as caught:
            open_answer(sealed, key)
        assert caught.value.code == expected["error"]
        return
    statement = open_answer(sealed, key)
    assert isinstance(statement, Submission)
    brought = {name: [one.kind, one.digest, one.size_bytes] for name, one in statement.payloads.items()}
    assert brought == expected["ok"]["payloads"]
