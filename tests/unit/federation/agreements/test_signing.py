"""Signatures on an agreement: over the same bytes, by members, together one envelope."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.agreements import signing
from federation.agreements.diff import differences
from federation.agreements.rendering import clauses, plain_text
from federation.errors import FederationError, Untrusted
from federation.protocol.keys import PrivateKey
from tests.support.decision_cases import KEYS, agreement_of, digest_of, terms_of
from tests.support.examples import examples

AGREEMENT = agreement_of(terms_of())


def signed_by(*keys: PrivateKey) -> bytes:
    """The agreement with these signatures."""
    sealed = signing.unsigned(AGREEMENT)
    for key in keys:
        sealed = signing.sign(sealed, key)
    return sealed


def test_an_agreement_is_complete_once_every_member_has_signed() -> None:
    opened = signing.open_agreement(signing.unsigned(AGREEMENT))
    assert (opened.complete, len(opened.missing)) == (False, 5)
    opened = signing.open_agreement(signed_by(*KEYS[:4]))
    assert opened.missing == ("Hospital 5",)
    opened = signing.open_agreement(signed_by(*KEYS))
    assert opened.complete
    assert opened.agreement == AGREEMENT
    assert opened.digest == digest_of(AGREEMENT)


def test_signatures_that_came_apart_are_put_together_in_any_order() -> None:
    parts = [signed_by(key) for key in reversed(KEYS)]
    assert signing.open_agreement(signing.merge(parts)).complete
    assert signing.open_agreement(signing.merge([*parts, parts[0]])).digest == digest_of(AGREEMENT)


def test_a_stranger_can_neither_sign_nor_count() -> None:
    stranger = PrivateKey.generate()
    with pytest.raises(Untrusted) as caught:
        signing.sign(signing.unsigned(AGREEMENT), stranger)
    assert caught.value.code == "agreement.not_a_member"


def test_a_signature_over_other_bytes_is_not_added() -> None:
    other = signing.sign(signing.unsigned(AGREEMENT.model_copy(update={"version": 2})), KEYS[1])
    with pytest.raises(Untrusted) as caught:
        signing.merge([signed_by(KEYS[0]), other])
    assert caught.value.code == "agreement.other_bytes"
    forged = json.loads(signed_by(KEYS[0]))
    forged["signatures"][0]["sig"] = json.loads(other)["signatures"][0]["sig"]
    with pytest.raises(FederationError):
        signing.open_agreement(json.dumps(forged).encode())


@settings(max_examples=examples(200), deadline=None)
@given(st.data())
def test_one_changed_byte_of_the_text_is_found(data: st.DataObject) -> None:
    sealed = json.loads(signed_by(*KEYS[:2]))
    payload = bytearray(base64.b64decode(sealed["payload"]))
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    sealed["payload"] = base64.b64encode(payload).decode()
    changed = json.dumps(sealed).encode()
    try:
        opened = signing.open_agreement(changed)
    except FederationError:
        return
    assert not opened.signed_by  # a member's own key was changed, and with it whose signature is looked for


def test_the_text_names_every_member_and_the_hash() -> None:
    text = plain_text(AGREEMENT, digest_of(AGREEMENT))
    assert digest_of(AGREEMENT) in text
    for key in KEYS:
        assert key.public.fingerprint in text
    assert [clause.number for clause in clauses(AGREEMENT)] == list(range(1, 14))


def test_a_change_is_shown_where_it_is() -> None:
    terms = terms_of()
    later = agreement_of(
        terms.model_copy(update={"training_limits": terms.training_limits.model_copy(update={"rounds_max": 60})}),
        version=2,
    )
    changed = [clause for clause in differences(AGREEMENT, later) if clause.changed]
    assert [clause.id for clause in changed] == ["training_limits"]
    assert ("-", "A job has at most 50 rounds.") in changed[0].lines
    assert ("+", "A job has at most 60 rounds.") in changed[0].lines
    assert all(mark == "+" for clause in differences(None, later) for mark, _ in clause.lines)
