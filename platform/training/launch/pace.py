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
        WHERE silo_id = silo.id AND step_id IS NOT NULL ORDER BY number DESC LIMIT {ROUNDS_LOOKED_AT}
    ) AS one
    WHERE one.state = '{OrderState.APPLIED.value}'
"""  # noqa: S608 - states and numbers of ours


def usual_s(silo_ids: Sequence[UUID]) -> float | None:
    """How long these silos took with their newest orders, whatever the job; None where they had none."""
    ((seconds,),) = database.fetch(_USUAL, {"silos": list(silo_ids)})
    return None if seconds is None else float(seconds)
