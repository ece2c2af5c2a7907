"""The frozen vectors, read by the library. Another implementation has to come to the same (tests/vectors/README.md)."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from federation.protocol.keys import PrivateKey
from tests.support.every import every
from tests.support.vectors import FILES, content_of, outcome_of, vectors_of

ALL = list(vectors_of(*FILES))


def test_there_is_a_file_for_each_part_and_good_and_bad_in_each() -> None:
    assert FILES == ("chains", "dsse", "evidence", "orders", "request_signatures", "submissions")
    for file in FILES:
        expected = [vector["expected"] for vector in content_of(file)["vectors"]]
        assert any("error" in one for one in expected)
        assert any("ok" in one for one in expected)


@pytest.mark.parametrize(("file", "vector", "content"), ALL, ids=[f"{file}: {one['name']}" for file, one, _ in ALL])
def test_a_vector_comes_to_what_it_expects(file: str, vector: dict[str, Any], content: dict[str, Any]) -> None:
    assert outcome_of(file, vector, content) == vector["expected"]


@pytest.mark.parametrize("file", FILES)
def test_keys_are_those_of_their_seeds(file: str) -> None:
    for one_report in every(content_of(file)["keys"].values()):
        key = PrivateKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(one_report["seed"])))
        assert key.public.encoded == one_report["public_key"]
