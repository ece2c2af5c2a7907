"""Steps as they are claimed, held and finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from realtime import database
from training.engine.sql.waiting import DUE, SILENT_SQL, silent_after
from training.sql_literals import NOW, may_become
from training.transitions import ORDER, STEP, OrderState, StepState
from training.waiting import LEFT_OUT, SILENT, CloseReason

_CLAIM = f"""
    WITH relaxed AS (
        SELECT set_config('synchronous_commit', 'off', true)
    ), wanted AS (
        {DUE} WHERE step.id = %(step)s
    ), free AS (  -- whoever has the row claims it, renews it or ends it: nobody waits to find that out
        SELECT id FROM training_step WHERE id = %(step)s FOR NO KEY UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE training_step AS step
        SET state = '{StepState.AGGREGATING.value}', lease = %(lease)s,
            lease_until = {NOW} + interval '1 second' * %(lease_s)s::float8, lease_renewed = false,
            aggregating_at = COALESCE(step.aggregating_at, {NOW}),
            claims = step.claims + (NOT step.lease_renewed)::integer,
            claims_renewed = step.claims_renewed + step.lease_renewed::integer,
            close_reason = CASE WHEN step.state = '{StepState.AGGREGATING.value}' THEN step.close_reason
                                ELSE wanted.reason END
        FROM relaxed, wanted, free
        WHERE step.id = wanted.step_id AND step.id = free.id
          AND (step.state = '{StepState.AGGREGATING.value}' AND step.lease_until < {NOW}
               OR step.state IN ({may_become(STEP, StepState.AGGREGATING)}) AND wanted.reason <> '')
        RETURNING step.id, step.round_id, step.position, step.kind, step.quorum, step.close_reason, step.claims,
                  step.claims_renewed
    ), expired AS (
        UPDATE training_order AS own
        SET state = '{OrderState.EXPIRED.value}', ended_at = {NOW},
            code = CASE WHEN claimed.close_reason = '{CloseReason.DEADLINE.value}' THEN 'order.deadline'
                        WHEN {SILENT_SQL} THEN '{SILENT}'
                        ELSE '{LEFT_OUT}' END
        FROM claimed, silos_silo AS silo
        WHERE own.step_id = claimed.id AND silo.id = own.silo_id
          AND own.state IN ({may_become(ORDER, OrderState.EXPIRED)})
    )
    SELECT * FROM claimed
"""  # noqa: S608 - states of ours


@dataclass(frozen=True)
class ClaimedStep:
    """The step that the worker which claimed it is to close."""

    step_id: int
    round_id: UUID
    position: int
    kind: str
    quorum: int
    close_reason: str
    claims: int
    claims_renewed: int


def claim(*, step_id: int, lease: UUID, lease_s: float) -> ClaimedStep | None:
    """Claim a step that is due, or whose earlier claim has lapsed; orders that are open still expire.

    None also where somebody else has the row: what is due still is found by the sweep.

    Its commit does not wait for the disk: a claim that a crash takes back is claimed again.
    """
    rows = database.fetch(_CLAIM, {**silent_after(), "step": step_id, "lease": lease, "lease_s": lease_s})
    return ClaimedStep(*rows[0]) if rows else None


# Its commit does not wait for the disk either: a renewal that a crash takes back was the crash's.
_RENEW = f"""
    WITH relaxed AS (
        SELECT set_config('synchronous_commit', 'off', true)
    )
    UPDATE training_step
    SET lease_until = {NOW} + interval '1 second' * %(lease_s)s::float8, lease_renewed = true
    FROM relaxed
    WHERE id = %(step)s AND lease = %(lease)s AND state = '{StepState.AGGREGATING.value}'
    RETURNING id
"""  # noqa: S608 - a state of ours


def renew(*, step_id: int, lease: UUID, lease_s: float) -> bool:
    """Hold a claimed step for as long again from now on. False if somebody else has it, or it is over."""
    return bool(database.fetch(_RENEW, {"step": step_id, "lease": lease, "lease_s": lease_s}))


_SETTLE = f"""
    WITH counted AS (
        SELECT * FROM unnest(%(orders)s::uuid[], %(norms)s::float8[], %(cosines)s::float8[])
            AS counted (order_id, norm, cosine)
    ), figures AS (
        UPDATE training_submission AS submission SET update_norm_l2 = counted.norm, update_cosine = counted.cosine
        FROM counted WHERE submission.order_id = counted.order_id
    )
    UPDATE training_order SET state = '{OrderState.APPLIED.value}', ended_at = {NOW}
    FROM counted
    WHERE training_order.id = counted.order_id AND state IN ({may_become(ORDER, OrderState.APPLIED)})
"""  # noqa: S608 - states of ours


@dataclass(frozen=True)
class Applied:
    """An answer that has counted; of an update, its norm, and how it lay to the mean of all, where that is known."""

    order_id: UUID
    norm_l2: float | None = None
    cosine_to_mean: float | None = None


def mark_applied(applied: Sequence[Applied]) -> None:
    """Note of these answers that they have counted."""
    database.fetch(
        _SETTLE,
        {
            "orders": [one.order_id for one in applied],
            "norms": [one.norm_l2 for one in applied],
            "cosines": [one.cosine_to_mean for one in applied],
        },
    )
