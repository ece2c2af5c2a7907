"""Whether a head follows from one that is kept: by proof, whatever version the kept one is of; anything else is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.protocol.tree_heads import TreeHead, why_not_after
from tests.support.examples import examples
from tests.support.logs import PlayedLog

TRUE, FORGED = PlayedLog.of_length("test", 40), PlayedLog.of_length("test", 40, "forged")


def old(head: TreeHead) -> TreeHead:
    """The head as it was signed under protocol 1.0."""
    return replace(head, root=None)


@settings(max_examples=examples(150), deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_a_longer_log_follows_from_every_head_before_and_a_forged_one_from_none(
    first: int, second: int, is_old: bool
) -> None:
    before, size = sorted((first, second))
    kept = old(TRUE.head(before)) if is_old else TRUE.head(before)
    assert why_not_after(kept, TRUE.head(size), TRUE.proof(kept, size)) is None
    for log in (TRUE, FORGED):
        code = why_not_after(kept, FORGED.head(size), log.proof(kept, size))
        assert code == "checkpoint.forked", "rewritten and grown past what is kept"
    if before < size:
        assert why_not_after(TRUE.head(size), kept, TRUE.proof(kept, size)) == "checkpoint.goes_back"


@pytest.mark.parametrize(
    ("kept", "head", "hashes", "code"),
    [
        (TRUE.head(7), TRUE.head(9), None, "checkpoint.unproven"),
        (TRUE.head(7), TRUE.head(9), [], "checkpoint.forked"),
        (TRUE.head(7), TRUE.head(9), ["no hex"], "checkpoint.unproven"),
        (TRUE.head(7), old(TRUE.head(9)), TRUE.proof(TRUE.head(7), 9), "checkpoint.unproven"),
        (TRUE.head(7), replace(TRUE.head(7), root="f" * 64), None, "checkpoint.forked"),
        (TRUE.head(7), replace(TRUE.head(7), digest="f" * 64), None, "checkpoint.forked"),
        (old(TRUE.head(7)), replace(TRUE.head(7), root="f" * 64), [], "checkpoint.forked"),
        (old(TRUE.head(7)), TRUE.head(7), None, "checkpoint.unproven"),
        (TRUE.head(7), TRUE.head(7), None, None),
        (TreeHead(0, "0" * 64), TRUE.head(7), None, None),
    ],
)
def test_what_is_not_proven_does_not_follow(
    kept: TreeHead, head: TreeHead, hashes: list[str] | None, code: str | None
) -> None:
    assert why_not_after(kept, head, hashes) == code
