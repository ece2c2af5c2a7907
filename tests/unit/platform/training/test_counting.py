"""What became of a round's orders: every state in exactly one outcome, and the numbers add up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from training.reading.advice import REMEDIES, remedy_for
from training.reading.counting import OUTCOME_OF, Outcome, Tally, states_of, tally, tally_of
from training.transitions import MISSED, OUTSTANDING, OrderState
from training.waiting import Wait, mode, silo_down_s


def test_every_state_has_one_outcome_and_every_outcome_a_state() -> None:
    assert set(OUTCOME_OF) == set(OrderState)
    assert set(OUTCOME_OF.values()) == set(Outcome)
    assert set(states_of(Outcome.PENDING)) == set(OUTSTANDING)
    absent = (Outcome.REFUSED, Outcome.REJECTED, Outcome.LATE, Outcome.MISSING)
    assert {state for one in absent for state in states_of(one)} == set(MISSED)


def test_refused_and_expired_orders_are_not_answered_in_time() -> None:
    reported = tally(["submitted", "applied", "refused", "expired", "late", "rejected", "cancelled", "accepted"])
    assert reported == Tally(included=2, refused=1, missing=1, late=1, rejected=1, recalled=1, pending=1)
    assert (reported.expected, reported.settled) == (8, 7)
    assert sum(count for _, count in reported.others) == 5


@settings(max_examples=examples(100))
@given(st.lists(st.sampled_from([state.value for state in OrderState]), max_size=30))
def test_each_order_is_counted_once(states: list[str]) -> None:
    reported = tally(states)
    assert reported.expected == len(states)
    assert reported == tally_of({state: states.count(state) for state in set(states)})
    assert reported.included + reported.pending + sum(count for _, count in reported.others) == len(states)


@pytest.mark.parametrize("code", [*REMEDIES, "data.malformed", "agreement.expired", "checkpoint.forked", "unheard.of"])
def test_every_code_has_a_remedy(code: str) -> None:
    assert remedy_for(code).endswith(".")


def test_how_much_longer_a_round_is_with_a_silo_down() -> None:
    def longer_s(wait: str, quorum: int = 3, usual_s: float | None = None, *, first: bool = False) -> float:
        return silo_down_s(wait, quorum=quorum, silos=4, deadline_s=600, usual_s=usual_s, first=first)

    assert longer_s("all") == longer_s("adaptive", quorum=4) == longer_s("quorum", quorum=4) == 600
    assert longer_s("quorum") == 0
    assert longer_s("adaptive") == 2
    assert longer_s("adaptive", first=True) == 30
    assert longer_s("adaptive", usual_s=100) == 50
    assert longer_s("adaptive", usual_s=10**6) == 600
    assert mode("adaptive", quorum=4, silos=4) == Wait.ALL
