"""How much one organisation may weigh in a job: a share of all, turned into a largest weight for each silo at launch.

The weights have to be known before anybody has answered: under masks the platform sees no silo's update, so that it can
lower none. They are computed from what silos registered, by this module, and looked at again by each trainer.
ADR 28 says why like this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeVar

from federation.protocol.dataset_steps import StratifiedShuffle
from federation.protocol.datasets import DatasetDeclaration
from federation.protocol.documents import Agreement, CohortMember, Manifest, Weighting
from federation.protocol.rows import RowLimits, upper_edge

SHARE_MAX = 0.5
"""The share that nobody goes beyond where the agreement says nothing, from `ORGANISATIONS_MIN` organisations on."""
ORGANISATIONS_MIN = 3

K = TypeVar("K")


@dataclass(frozen=True)
class Registered:
    """One silo of a cohort: whose it is, and the rows that it registered."""

    organisation: str
    """What distinguishes organisations: the signatory key."""
    rows_coarse: int


def share_max(organisations: int, agreed: float | None) -> float | None:
    """The share of one organisation among so many; None where there is no cap.

    Without a term it is one half from three organisations on. A term holds from two on; nobody can be held below an
    equal part, for then all would be.
    """
    if organisations <= 1 or (agreed is None and organisations < ORGANISATIONS_MIN):
        return None
    return max(SHARE_MAX if agreed is None else agreed, 1 / organisations)


def weigh(
    cohort: Sequence[Registered], agreed: float | None, train_fraction: float
) -> tuple[Weighting, tuple[int, ...]]:
    """What a manifest says of weights: how they come about, and the largest of each silo, in the cohort's order."""
    organisations = len({silo.organisation for silo in cohort})
    weighting = Weighting(organisation_share_max=share_max(organisations, agreed), train_fraction=train_fraction)
    return weighting, largest_weights(tuple(cohort), weighting)


def train_fraction_of(declaration: DatasetDeclaration) -> float:
    """The part of all rows that is trained on, as declared; all, where only the data know."""
    return declaration.split.train_fraction if isinstance(declaration.split, StratifiedShuffle) else 1.0


@lru_cache(maxsize=64)
def largest_weights(cohort: tuple[Registered, ...], weighting: Weighting) -> tuple[int, ...]:
    """The largest weight of each silo of a cohort, in rows for training, at least 1.

    With `s` the share and `e` what an organisation is expected to train on, an organisation's largest weight is
    ``s / (1 - s)`` times what the others are expected to weigh, they themselves held to the same. Its silos split it in
    proportion to what they registered. No silo weighs more than the upper edge of its registration. A larger share
    never gives a smaller weight.
    """
    edges = [max(1, upper_edge(silo.rows_coarse)) for silo in cohort]
    if weighting.organisation_share_max is None:
        return tuple(edges)
    registered: dict[str, int] = {}
    for silo in cohort:
        registered[silo.organisation] = registered.get(silo.organisation, 0) + max(1, silo.rows_coarse)
    fraction = _exact(weighting.train_fraction)
    expected = {name: fraction * rows for name, rows in registered.items()}
    of_all = _largest(expected, _feasible(weighting.organisation_share_max, len(expected)))
    silos: dict[str, int] = {}
    for silo in cohort:
        silos[silo.organisation] = silos.get(silo.organisation, 0) + 1
    found = []
    for silo, edge in zip(cohort, edges, strict=True):
        count = silos[silo.organisation]
        # one for each, so that nobody is silenced by rounding; the rest in proportion, rounded down
        rest = max(0, math.floor(of_all[silo.organisation]) - count)
        found.append(min(edge, 1 + rest * max(1, silo.rows_coarse) // registered[silo.organisation]))
    return tuple(found)


def cap_shares(weights: Mapping[K, int], organisations: Mapping[K, str], share: float | None) -> dict[K, float]:
    """Weights that are known, lowered where an organisation would have more than this share of them.

    For figures that are combined in the open, where all weights are known: the same rule as at launch, on what was
    really answered. Weights that are not lowered stay what they are.
    """
    if share is None:
        return dict(weights)
    together: dict[str, int] = {}
    for key, weight in weights.items():
        together[organisations[key]] = together.get(organisations[key], 0) + weight
    exact = {name: Fraction(weight) for name, weight in together.items() if weight > 0}
    if len(exact) < 2:
        return dict(weights)
    level = _level(exact, _feasible(share, len(exact)))
    if level is None:
        return dict(weights)
    found: dict[K, float] = {}
    for key, weight in weights.items():
        all_of_it = together[organisations[key]]
        found[key] = weight if all_of_it <= level else float(level * Fraction(weight, all_of_it))
    return found


def fault_of(agreement: Agreement, manifest: Manifest) -> str | None:
    """What is wrong with the weights that a manifest allows, as its agreement has them; None if nothing is.

    A manifest of protocol 1.0 names none, and meant none: it stands under an agreement of 1.0 alone.
    """
    weighting = manifest.weighting
    rows = [(member.rows_coarse, member.weight_max) for member in manifest.cohort]
    if weighting is None:
        if manifest.protocol == agreement.protocol == "1.0" and not any(one != (None, None) for one in rows):
            return None
        return "It says nothing of how much each silo may weigh."
    cohort = registered_of(manifest.cohort)
    if cohort is None or any(weight is None for _rows, weight in rows):
        return "It doesn't say of each silo how much it may weigh."
    organisations = len({silo.organisation for silo in cohort})
    agreed = share_max(organisations, agreement.terms.cohort.organisation_share_max)
    share = weighting.organisation_share_max
    if agreed is not None and (share is None or share > agreed):
        return f"It lets one organisation have a share of {'all' if share is None else f'{share:g}'}."
    for member, largest in zip(manifest.cohort, largest_weights(cohort, weighting), strict=True):
        if member.weight_max is None or member.weight_max > largest:
            return f"It lets {member.silo} weigh more than {largest} rows."
    return None


def respects_share_cap(manifest: Manifest, share: float) -> bool:
    """Whether a manifest lets no organisation have more than this share; an equal part is always one's due."""
    organisations = len({member.signatory_key for member in manifest.cohort})
    if share * organisations <= 1 and organisations > 1:
        share = 1 / organisations
    if share == 1 or organisations <= 1:
        return True
    weighting = manifest.weighting
    return weighting is not None and (weighting.organisation_share_max or 1.0) <= share


def registered_of(cohort: Iterable[CohortMember]) -> tuple[Registered, ...] | None:
    """A manifest's cohort as it is weighed; None where a member's rows are not reported."""
    found = []
    for member in cohort:
        if member.rows_coarse is None:
            return None
        found.append(Registered(member.signatory_key, member.rows_coarse))
    return tuple(found)


def limits_of(member: CohortMember) -> RowLimits:
    """What the rows of a cohort member are held to."""
    return RowLimits.of(member.rows_coarse, member.weight_max)


def _largest(expected: Mapping[str, Fraction], share: Fraction) -> dict[str, Fraction]:
    """The largest weight of each organisation: so much that it has the share if the others weigh as expected."""
    if share == 1:
        return dict.fromkeys(expected, Fraction(10**18))
    level = _level(expected, share)
    held = {name: weight if level is None else min(weight, level) for name, weight in expected.items()}
    total = sum(held.values(), Fraction())
    return {name: share / (1 - share) * (total - weight) for name, weight in held.items()}


def _level(weights: Mapping[str, Fraction], share: Fraction) -> Fraction | None:
    """The largest height at which weights, cut off there, have no more than the share of all; None if all have now.

    With the `k` largest cut off at height h and the rest summing to r it is h = share (k h + r).
    """
    sizes = sorted(weights.values(), reverse=True)
    rest = sum(sizes, Fraction())
    if sizes[0] <= share * rest:
        return None
    for cut, size in enumerate(sizes, start=1):
        rest -= size
        following = sizes[cut] if cut < len(sizes) else Fraction()
        if cut * share < 1 and (height := share * rest / (1 - cut * share)) >= following:
            return height
    return sizes[-1]


def _feasible(share: float, organisations: int) -> Fraction:
    """The share as it was written, and at least an equal part."""
    return min(Fraction(1), max(_exact(share), Fraction(1, organisations)))


def _exact(number: float) -> Fraction:
    """The number that was meant by a float's shortest decimals."""
    return Fraction(str(number))
