"""All pairs of states of a participation."""

from __future__ import annotations

from itertools import product

import pytest

from consortia.transitions import ParticipationState as S
from consortia.transitions import check_participation_transition
from rest.errors import Conflict

ALLOWED = {
    (S.INVITED, S.ACTIVE),
    (S.INVITED, S.DECLINED),
    (S.INVITED, S.WITHDRAWN),
    (S.ACTIVE, S.LEFT),
    (S.DECLINED, S.INVITED),
    (S.WITHDRAWN, S.INVITED),
    (S.LEFT, S.INVITED),
}


@pytest.mark.parametrize(("now", "then"), list(product(S, S)))
def test_every_pair_of_participation_states_follows_the_table(now: S, then: S) -> None:
    if (now, then) in ALLOWED:
        check_participation_transition(now, then)
    else:
        with pytest.raises(Conflict) as caught:
            check_participation_transition(now, then)
        assert caught.value.code == "participation.transition"
