"""How a round's global model did over the silos: one figure from many. Pure.

The platform computes it when a round closes, and whoever verifies a passport computes it again from the signed answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from federation.agreements.shares import hold_to_share

COMBINATION = "mean over the silos' own test rows, each row counting once"
HELD = f"{COMBINATION}, but for an organisation that would have more than its share"
LOSS_MAX = 100.0
"""What a silo's mean cross-entropy counts at most: that of a model that is wrong about every row by e^-100."""


@dataclass(frozen=True)
class Measured:
    """How a model did at one silo of an organisation: test rows, and what it said of them unless they were too few."""

    organisation: str
    rows: int
    accuracy: float | None
    loss: float | None


def combine(evaluations: Iterable[Measured], share_max: float | None) -> dict[str, object]:
    """Means over test rows, and how they were combined, in words; empty where no silo could tell.

    No organisation has more than `share_max` of the rows that count (None: as many as it says). A silo's loss counts as
    0 at least and `LOSS_MAX` at most, so that none can make the mean its own by a number that no model has.
    """
    found = [
        (evaluation.organisation, evaluation.rows, evaluation.accuracy, evaluation.loss)
        for evaluation in evaluations
        if evaluation.rows and evaluation.accuracy is not None and evaluation.loss is not None
    ]
    told = {place: rows for place, (_, rows, _, _) in enumerate(found)}
    weights = hold_to_share(told, {place: owner for place, (owner, _, _, _) in enumerate(found)}, share_max)
    total = sum(weights.values())
    if not total:
        return {}
    return {
        "accuracy": sum(accuracy * weights[place] for place, (_, _, accuracy, _) in enumerate(found)) / total,
        "loss": sum(min(max(loss, 0.0), LOSS_MAX) * weights[place] for place, (_, _, _, loss) in enumerate(found))
        / total,
        "silos": len(found),
        "combination": COMBINATION if weights == told else HELD,
    }
