"""How long silos usually take, before anybody has asked them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from realtime import database
from training.transitions import OrderState
from training.waiting import QUANTILE, ROUNDS_LOOKED_AT

_USUAL = f"""
    SELECT percentile_cont({QUANTILE}) WITHIN GROUP (ORDER BY extract(epoch FROM one.answered_at - one.issued_at))
    FROM unnest(%(silos)s::uuid[]) AS silo (id)
    CROSS JOIN LATERAL (
        SELECT answered_at, issued_at, state FROM training_order
        WHERE silo_id = silo.id AND kind = %(kind)s ORDER BY number DESC LIMIT {ROUNDS_LOOKED_AT}
    ) AS one
    WHERE one.state = '{OrderState.APPLIED.value}'
"""  # noqa: S608 - states and numbers of ours


def usual_s(silo_ids: Sequence[UUID], kind: str) -> float | None:
    """How long these silos took with their newest orders of this kind, whatever the job; None where they had none.

    Orders of other kinds reveal nothing of it: an exchange of keys takes seconds where a training takes hours.
    """
    ((seconds,),) = database.fetch(_USUAL, {"silos": list(silo_ids), "kind": kind})
    return None if seconds is None else float(seconds)
