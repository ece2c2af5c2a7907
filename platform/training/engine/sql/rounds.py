"""Rounds as they are claimed and settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from federation.aggregation.aggregate import Accepted
from live import database
from training.engine.sql.waiting import DUE, SILENT_SQL, moments
from training.sql_literals import listed
from training.transitions import OUTSTANDING, OrderState, RoundState
from training.waiting import LEFT_OUT, SILENT, CloseReason

_CLAIM = f"""
    WITH relaxed AS (
        SELECT set_config('synchronous_commit', 'off', true)
    ), last_step AS (
        {DUE}
        WHERE step.id = (SELECT id FROM training_step WHERE round_id = %(round)s ORDER BY position DESC LIMIT 1)
    ), claimed AS (
        UPDATE training_round AS round
        SET state = '{RoundState.AGGREGATING.value}', lease = %(lease)s, lease_until = %(lease_until)s,
            aggregating_at = COALESCE(aggregating_at, %(now)s), claims = claims + 1,
            close_reason = CASE WHEN round.state = '{RoundState.COLLECTING.value}' THEN step.reason
                                ELSE round.close_reason END
        FROM relaxed, last_step AS step
        WHERE round.id = %(round)s
          AND (round.state = '{RoundState.AGGREGATING.value}' AND round.lease_until < %(now)s
               OR round.state = '{RoundState.COLLECTING.value}' AND step.reason <> '')
        RETURNING step.step_id AS id, step.kind, step.quorum, round.close_reason
    ), expired AS (
        UPDATE training_order AS own
        SET state = '{OrderState.EXPIRED.value}', settled_at = %(now)s,
            code = CASE WHEN claimed.close_reason = '{CloseReason.DEADLINE.value}' THEN 'order.deadline'
                        WHEN {SILENT_SQL} THEN '{SILENT}'
                        ELSE '{LEFT_OUT}' END
        FROM claimed, silos_silo AS silo
        WHERE own.step_id = claimed.id AND silo.id = own.silo_id AND own.state IN ({listed(OUTSTANDING)})
    )
    SELECT id, kind, quorum FROM claimed
"""  # noqa: S608 - states of ours


@dataclass(frozen=True)
class ClaimedStep:
    """The step that whoever claimed a round is to close."""

    step_id: int
    kind: str
    quorum: int


def claim(*, round_id: UUID, lease: UUID, lease_s: float) -> ClaimedStep | None:
    """Claim a round whose last step is due, or whose earlier claim has lapsed; orders that are open still expire.

    Its commit does not wait for the disk: a claim that a crash takes back is claimed again.
    """
    given = moments()
    lease_until = given["now"] + timedelta(seconds=lease_s)
    rows = database.fetch(_CLAIM, {**given, "round": round_id, "lease": lease, "lease_until": lease_until})
    return ClaimedStep(*rows[0]) if rows else None


_SETTLE = f"""
    WITH counted AS (
        SELECT * FROM unnest(%(orders)s::uuid[], %(norms)s::float8[], %(cosines)s::float8[])
            AS counted (order_id, norm, cosine)
    ), figures AS (
        UPDATE training_submission AS submission SET update_norm_l2 = counted.norm, update_cosine = counted.cosine
        FROM counted WHERE submission.order_id = counted.order_id
    )
    UPDATE training_order SET state = '{OrderState.APPLIED.value}', settled_at = %(now)s
    FROM counted WHERE training_order.id = counted.order_id
"""  # noqa: S608 - a state of ours


def settle(accepted: Sequence[Accepted]) -> None:
    """Note of these updates that they have counted, and how they lay to their mean."""
    database.fetch(
        _SETTLE,
        {
            "now": timezone.now(),
            "orders": [UUID(update.key) for update in accepted],
            "norms": [update.norm_l2 for update in accepted],
            "cosines": [update.cosine_to_mean for update in accepted],
        },
    )
