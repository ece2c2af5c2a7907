"""Documents name kinds of order by a bounded word, and not only by those that this version knows."""

from __future__ import annotations

from typing import Any

import pytest

from federation.errors import Invalid
from federation.protocol import documents
from federation.protocol.documents import CheckpointOrder, Order, OrderKind, Submission
from tests.support.decision_cases import NOW, agreement_of, manifest_of, order_of, terms_of
from tests.support.evidence import ENVIRONMENT

ASKED = order_of(manifest_of(agreement_of(terms_of())))
A_WORD = ("greet", "a", "a" * 20, "sign_off", "a_")
NO_WORD = ("", "Greet", "a" * 21, "_greet", "greet-all", "greet all", "greet\n", "grüßen", "greet2", 1, None)
"""With a digit it is none either: versions of a kind differ by the version of the protocol."""


def order(kind: object) -> bytes:
    """As JSON."""
    return _changed(ASKED, kind)


def submission(kind: object) -> bytes:
    """The answer to it, as JSON."""
    names = {"order_id", "number", "kind", "silo_id", "job_id", "manifest_digest", "round", "attempt"}
    return _changed(Submission(**ASKED.model_dump(include=names), environment=ENVIRONMENT, created_at=NOW), kind)


def _changed(document: Any, kind: object) -> bytes:
    changed: bytes = document.model_copy(update={"kind": kind}).model_dump_json(warnings=False).encode()
    return changed


@pytest.mark.parametrize("kind", [*A_WORD, *OrderKind])
def test_a_document_may_name_any_kind_by_a_word(kind: str) -> None:
    assert documents.read(Order, order(kind)).kind == kind
    assert documents.read(Submission, submission(kind)).kind == kind


@pytest.mark.parametrize("kind", NO_WORD)
def test_what_is_no_such_word_is_malformed(kind: object) -> None:
    for document, content in ((Order, order(kind)), (Submission, submission(kind))):
        with pytest.raises(Invalid) as caught:
            documents.read(document, content)
        assert (caught.value.code, caught.value.field) == ("document.malformed", "kind")


def test_a_name_that_was_read_is_no_member_of_the_enumeration() -> None:
    known = documents.read(Order, order("train")).kind
    assert (known, type(known)) == (OrderKind.TRAIN, str)
    assert CheckpointOrder.model_fields["kind"].default == OrderKind.CHECKPOINT
