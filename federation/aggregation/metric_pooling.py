"""How a round's global model did over the silos: one figure from many. Pure.

The platform computes it when a round closes, and anyone who verifies a passport computes it again from the signed
answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from federation.agreements.shares import cap_shares
from federation.targets import Metric, Target

COMBINATION = "mean over the silos' own test rows, each row counting once"
HELD = f"{COMBINATION}, no organisation counting more than its share"


@dataclass(frozen=True)
class Measured:
    """How a model did at one silo of an organisation: test rows, and what it stated of them unless they were too
    few.
    """

    organisation: str
    rows: int
    figures: Mapping[str, object]


def combine(target: Target, evaluations: Iterable[Measured], share_max: float | None) -> dict[str, object]:
    """Means over test rows of the target's metrics, and how they were combined; empty where no silo could report.

    A silo counts that reports all metrics which its target wants together. No organisation has more than `share_max` of
    the rows that count (None: as many as it says). A silo's value counts within the bounds of its metric, so that none
    can make the mean its own by a number that no model has.
    """
    found = [one for one in evaluations if one.rows and all(_number(one, name) is not None for name in wanted(target))]
    by_name = {place: one.rows for place, one in enumerate(found)}
    weights = cap_shares(by_name, {place: one.organisation for place, one in enumerate(found)}, share_max)
    total = sum(weights.values())
    if not total:
        return {}
    return {
        **{
            metric.name: _mean(metric, [_number(one, metric.name) or 0.0 for one in found], list(weights.values()))
            for metric in target.pooled_metrics()
        },
        "silos": len(found),
        "combination": COMBINATION if weights == by_name else HELD,
    }


def _mean(metric: Metric, values: Sequence[float], weights: Sequence[float]) -> float:
    counted = [metric.counted(value, values) * weight for value, weight in zip(values, weights, strict=True)]
    return sum(counted) / sum(weights)


def wanted(target: Target) -> tuple[str, ...]:
    """The metrics that a silo has to report to count."""
    return tuple(metric.name for metric in target.pooled_metrics())


def _number(one: Measured, name: str) -> float | None:
    value = one.figures.get(name)
    return float(value) if isinstance(value, int | float) else None
