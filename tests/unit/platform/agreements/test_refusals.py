"""Refusals and contradictions of agreements in another language: every one that the library can say."""

from __future__ import annotations

import pytest
from django.utils import translation

from agreements.refusals import meaning_of, remedy_of
from federation.agreements.contradictions import faults
from federation.agreements.rules import RULES, Violation
from federation.protocol.documents import Cohort, UseConditions
from rest.pages import in_words
from tests.support.decision_cases import KEYS, NOW, terms_of
from tests.support.every import every


@pytest.mark.parametrize("code", RULES)
def test_every_rule_is_said_in_german(code: str) -> None:
    refusal = Violation(code, "members", "NPU")
    with translation.override("de"):
        meaning, remedy = meaning_of(refusal), remedy_of(refusal)
    assert meaning.endswith(": NPU.")
    assert meaning != refusal.meaning
    assert remedy != refusal.remedy
    assert (meaning_of(refusal), remedy_of(refusal)) == (refusal.meaning, refusal.remedy)


def test_contradictions_are_said_in_german_also_those_with_numbers_and_names() -> None:
    terms = terms_of(KEYS).model_copy(
        update={
            "cohort": Cohort(minimum_participants=90),
            "purposes": UseConditions(permission="DS", modifiers=("GS",), projects=("Heart",)),
        }
    )
    found = [fault.said for fault in faults(terms, frozenset({"mlp"}), NOW)]
    assert len(found) >= 4
    with translation.override("de"):
        for one_report in every(found):
            assert in_words(one_report) != one_report
    assert [in_words(entry) for entry in found] == found
