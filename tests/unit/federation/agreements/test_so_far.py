"""What contradicts itself in terms that are not whole yet, and nothing that may come right with what is missing."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.agreements.contradictions import faults
from federation.agreements.partial_terms import faults_so_far
from federation.protocol.documents import Terms
from tests.support.decision_cases import NOW, terms_of

FAMILIES = frozenset({"logistic", "mlp", "plan", "softmax"})
Given = dict[str, Any]


def plain(**changes: Any) -> Given:
    """Whole terms as JSON values, with this said otherwise."""
    return {**terms_of().model_dump(mode="json"), **copy.deepcopy(changes)}


def without(given: Given, *path: str) -> Given:
    """The same with one term missing."""
    first, *rest = path
    if not rest:
        return {name: value for name, value in given.items() if name != first}
    return {**given, first: without(given[first], *rest)}


def reported(given: Given) -> list[str]:
    """The fields of what contradicts itself so far."""
    return [fault.field for fault in faults_so_far(given, FAMILIES, NOW)]


DP_OF_NOTHING = {"required": True, "epsilon_max": 0, "delta_max": 1e-6}
BROKEN: list[Callable[[Given], Given]] = [
    lambda terms: without(terms, "protection"),
    lambda terms: without(terms, "training_limits"),
    lambda terms: without(terms, "training_limits", "rounds_max"),
    lambda terms: without(terms, "members"),
    lambda terms: without(terms, "purposes", "permission"),
    lambda terms: {**terms, "members": [{"organisation": ""}, 7]},
    lambda terms: {**terms, "datasets": []},
    lambda terms: {**terms, "datasets": "all"},
    lambda terms: {**terms, "datasets": [{**terms["datasets"][0], "use": {"diseases": ["x", "y"]}}]},
    lambda terms: {**terms, "protection": "clear"},
    lambda terms: {**terms, "purposes": {"permission": "DS", "diseases": ["heart", "lung"], "modifiers": ["XYZ"]}},
    lambda terms: {**terms, "code": None},
    lambda terms: {**terms, "retention": {"updates_rounds": None}},
    lambda terms: {**terms, "privacy": {**terms["privacy"], "delta_max": "much"}},
    lambda terms: {**terms, "privacy": {**terms["privacy"], "more": None}},
    lambda terms: {**terms, "more": [1, 2]},
    lambda terms: {**terms, "validity": {**terms["validity"], "not_before": "soon"}},
    lambda terms: {},
]


@pytest.mark.parametrize("broken", BROKEN)
def test_nothing_contradicts_itself_in_what_was_whole_and_is_broken(broken: Callable[[Given], Given]) -> None:
    assert reported(broken(plain())) == []


@pytest.mark.parametrize("broken", BROKEN[:-1])
def test_a_contradiction_is_reported_whatever_else_is_wrong(broken: Callable[[Given], Given]) -> None:
    assert reported(broken(plain(privacy=DP_OF_NOTHING))) == ["privacy.epsilon_max"]


@pytest.mark.parametrize(
    ("contradictory", "broken", "field"),
    [
        ({"cohort": {"minimum_participants": 9}}, ("datasets",), "cohort.minimum_participants"),
        ({"purposes": {"permission": "HMB", "diseases": ["ICD-10:I"]}},
         ("purposes", "permission"), "purposes.diseases"),
        ({"purposes": {"permission": "HMB", "modifiers": ["GS"]}}, ("purposes", "modifiers"), "purposes.countries"),
        ({"validity": {"not_before": "2027-01-02T00:00:00Z", "not_after": "2027-01-01T00:00:00Z"}},
         ("validity", "not_before"), "validity.not_after"),
        ({"code": {"digests": ["sha256:" + "1" * 64]}}, ("training_limits", "families"), "code.digests"),
        ({"disclosure": {"minimum_cell": 1, "final_model": False, "recipients": ["A"]}},
         ("disclosure", "final_model"), "disclosure.recipients"),
    ],
)  # fmt: skip
def test_what_rests_on_a_term_that_is_wrong_is_not_notified(
    contradictory: Given, broken: tuple[str, str], field: str
) -> None:
    terms = plain(**contradictory)
    assert reported(terms) == [field]
    within = terms
    for part in broken[:-1]:
        within[part] = dict(within[part])
        within = within[part]
    within[broken[-1]] = 3.5
    assert reported(terms) == []


def test_whole_terms_are_judged_as_they_would_be_anyway() -> None:
    terms = plain(privacy=DP_OF_NOTHING, cohort={"minimum_participants": 9})
    checked = list(faults_so_far(terms, FAMILIES, NOW))
    assert checked == list(faults(Terms.model_validate(terms), FAMILIES, NOW))
    assert len(checked) == 2


def test_what_has_expired_is_reported_whatever_it_begins_with() -> None:
    terms = plain(validity={"not_before": "soon", "not_after": "2001-01-01T00:00:00Z"})
    assert reported(terms) == ["validity.not_after"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["DS", "clear"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data())
def test_partial_terms_of_any_shape_are_checked_without_an_error(data: st.DataObject) -> None:
    """Whatever was submitted is checked without falling over."""
    terms = plain(privacy=DP_OF_NOTHING)
    for _ in range(data.draw(st.integers(1, 4))):
        within: Any = terms
        while True:
            key = data.draw(st.sampled_from([*within] if isinstance(within, dict) else [*range(len(within))]))
            if not isinstance(within[key], dict | list) or not within[key] or data.draw(st.booleans()):
                break
            within = within[key]
        within[key] = data.draw(JSON)
    reported(terms)
