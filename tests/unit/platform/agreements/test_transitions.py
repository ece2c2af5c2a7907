"""All pairs of states of a version of an agreement."""

from __future__ import annotations

from itertools import product

import pytest

from agreements.transitions import BINDING_ONCE, CURRENT, ENDED, OPEN, TRANSITIONS, check_transition
from agreements.transitions import AgreementState as S
from rest.errors import Conflict

ALLOWED = {
    (S.DRAFT, S.PROPOSED),
    (S.DRAFT, S.WITHDRAWN),
    (S.PROPOSED, S.DRAFT),
    (S.PROPOSED, S.SIGNING),
    (S.PROPOSED, S.WITHDRAWN),
    (S.SIGNING, S.PROPOSED),
    (S.SIGNING, S.IN_FORCE),
    (S.SIGNING, S.WITHDRAWN),
    (S.IN_FORCE, S.SUPERSEDED),
    (S.IN_FORCE, S.SUSPENDED),
    (S.IN_FORCE, S.EXPIRED),
    (S.IN_FORCE, S.TERMINATED),
    (S.SUSPENDED, S.SUPERSEDED),
    (S.SUSPENDED, S.EXPIRED),
    (S.SUSPENDED, S.TERMINATED),
}


@pytest.mark.parametrize(("now", "then"), list(product(S, S)))
def test_every_pair_of_agreement_states_follows_the_table(now: S, then: S) -> None:
    if (now, then) in ALLOWED:
        check_transition(now, then)
    else:
        with pytest.raises(Conflict) as caught:
            check_transition(now, then)
        assert caught.value.code == "agreement.transition"


def test_the_groups_of_states_cover_all_and_end_where_nothing_follows() -> None:
    assert {*OPEN, *CURRENT, *ENDED} == set(S)
    assert not {*OPEN} & {*BINDING_ONCE}
    assert {state for state in S if not TRANSITIONS[state]} == set(ENDED)
