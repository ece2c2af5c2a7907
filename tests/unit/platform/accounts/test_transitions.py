"""All pairs of states of a signatory key."""

from __future__ import annotations

from itertools import product

import pytest

from accounts.transitions import SignatoryKeyState as S
from accounts.transitions import check_signatory_key_transition
from rest.errors import Conflict

ALLOWED = {(S.ACTIVE, S.REVOKED)}


@pytest.mark.parametrize(("now", "then"), list(product(S, S)))
def test_every_pair_of_account_states_follows_the_table(now: S, then: S) -> None:
    if (now, then) in ALLOWED:
        check_signatory_key_transition(now, then)
    else:
        with pytest.raises(Conflict) as caught:
            check_signatory_key_transition(now, then)
        assert caught.value.code == "signatory_key.transition"
