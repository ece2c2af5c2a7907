"""What one organisation may weigh: never more than its share, whatever its silos claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.agreements.shares import Registered, cap_shares, share_max, weigh
from federation.protocol.rows import RowLimits, coarse, upper_edge
from tests.support.every import every
from tests.support.examples import examples

silos = st.builds(Registered, st.sampled_from("ABCDEF"), st.integers(10, 10**7).map(coarse))
cohorts = st.lists(silos, min_size=1, max_size=12)
shares = st.sampled_from([None, 0.5, 0.4, 0.3, 0.2, 0.05])
fractions = st.sampled_from([0.5, 0.8, 1.0])
claims = st.integers(0, 2**53)


def organisations(cohort: list[Registered]) -> int:
    return len({silo.organisation for silo in cohort})


def together(cohort: list[Registered], weights: Sequence[int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for silo, weight in zip(cohort, weights, strict=True):
        found[silo.organisation] += weight
    return found


@settings(max_examples=examples(100), deadline=None)
@given(cohorts, shares, fractions, st.data())
def test_no_organisation_goes_beyond_its_share_whatever_it_claims(
    cohort: list[Registered], agreed: float | None, fraction: float, data: st.DataObject
) -> None:
    """The others train on what they registered; the liar claims anything, at each of its silos."""
    weighting, largest = weigh(cohort, agreed, fraction)
    assert all(weight >= 1 for weight in largest)
    liar = data.draw(st.sampled_from(sorted({silo.organisation for silo in cohort})))
    weights = [
        RowLimits.of(silo.rows_coarse, weight_max).weight(
            data.draw(claims) if silo.organisation == liar else round(fraction * silo.rows_coarse)
        )
        for silo, weight_max in zip(cohort, largest, strict=True)
    ]
    share = weighting.organisation_share_max
    assert (share is None) == (organisations(cohort) == 1 or (agreed is None and organisations(cohort) < 3))
    if share is not None:
        silos_of = Counter(silo.organisation for silo in cohort)
        # rounding down at the others costs each of their silos a row at most, and each silo weighs one at least
        lost = len(cohort) + silos_of[liar]
        mine, of_all = together(cohort, weights)[liar], sum(weights) + lost
        assert mine <= share * of_all + lost, (cohort, largest, weights)


@settings(max_examples=examples(100), deadline=None)
@given(cohorts, shares, fractions, st.randoms(use_true_random=False))
def test_the_order_of_the_cohort_does_not_matter(
    cohort: list[Registered], agreed: float | None, fraction: float, random: Random
) -> None:
    weighting, largest = weigh(cohort, agreed, fraction)
    order = list(range(len(cohort)))
    random.shuffle(order)
    again, shuffled = weigh([cohort[place] for place in order], agreed, fraction)
    assert again == weighting
    assert shuffled == tuple(largest[place] for place in order)


@settings(max_examples=examples(100), deadline=None)
@given(cohorts, fractions)
def test_a_larger_share_never_gives_a_smaller_weight(cohort: list[Registered], fraction: float) -> None:
    before = [0] * len(cohort)
    for agreed in (0.05, 0.2, 0.3, 0.34, 0.4, 0.5):
        _weighting, largest = weigh(cohort, agreed, fraction)
        assert all(one <= other for one, other in zip(before, largest, strict=True))
        before = list(largest)


@settings(max_examples=examples(100), deadline=None)
@given(cohorts, fractions)
def test_who_has_no_more_than_its_share_is_not_lowered(cohort: list[Registered], fraction: float) -> None:
    """Where the cap does not bind, the weights are the rows, and the figures what they were to the bit."""
    _weighting, largest = weigh(cohort, None, fraction)
    registered = together(cohort, [silo.rows_coarse for silo in cohort])
    several = Counter(silo.organisation for silo in cohort)
    for silo, weight in every(zip(cohort, largest, strict=True)):
        if registered[silo.organisation] * 2 <= sum(registered.values()):
            assert weight >= int(fraction * silo.rows_coarse) - several[silo.organisation]


@settings(max_examples=examples(100), deadline=None)
@given(st.dictionaries(st.integers(0, 20), st.integers(0, 2**53), min_size=1, max_size=12), shares, st.data())
def test_what_is_combined_in_the_open_is_held_to_the_share_exactly(
    rows: dict[int, int], share: float | None, data: st.DataObject
) -> None:
    owners = {silo: data.draw(st.sampled_from("ABCDEF")) for silo in rows}
    held = cap_shares(rows, owners, share)
    assert held.keys() == rows.keys()
    assert all(0 <= held[silo] <= rows[silo] for silo in rows)
    assert (sum(held.values()) > 0) == (sum(rows.values()) > 0)
    answering = {owners[silo] for silo in rows if rows[silo]}
    if share is None or len(answering) < 2:
        assert held == rows
        return
    allowed = max(Fraction(str(share)), Fraction(1, len(answering)))
    for owner in every(answering):
        mine = sum(Fraction(held[silo]) for silo in rows if owners[silo] == owner)
        assert mine <= allowed * sum(map(Fraction, held.values())) * (1 + Fraction(1, 10**9))
    if all(
        sum(rows[silo] for silo in rows if owners[silo] == owner) <= allowed * sum(rows.values()) for owner in answering
    ):
        assert held == rows


def test_an_organisation_that_is_larger_than_all_others_weighs_as_much_as_they() -> None:
    weighting, largest = weigh([Registered("A", 2**53), Registered("B", 1000), Registered("C", 3000)], None, 0.8)
    assert weighting.organisation_share_max == 0.5
    assert largest == (3200, 1049, 3049)  # A as much as B and C train on; they no more than they registered


def test_the_silos_of_one_organisation_share_its_weight_by_what_they_registered() -> None:
    cohort = [Registered("A", 9000), Registered("A", 3000), Registered("B", 1000), Registered("C", 1000)]
    _weighting, largest = weigh(cohort, None, 1.0)
    assert sum(largest[:2]) <= 2000
    assert largest[:2] == (1499, 500)


@pytest.mark.parametrize(
    ("organisations", "agreed", "share"),
    [(1, None, None), (1, 0.5, None), (2, None, None), (2, 0.5, 0.5), (2, 0.3, 0.5), (3, None, 0.5), (3, 0.4, 0.4)],
)
def test_the_share_is_one_half_from_three_on_and_never_below_an_equal_part(
    organisations: int, agreed: float | None, share: float | None
) -> None:
    assert share_max(organisations, agreed) == share
    assert share_max(5, 0.1) == 0.2


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(0, 10**9))
def test_the_upper_edge_is_the_largest_number_that_is_reported_alike(rows: int) -> None:
    edge = upper_edge(coarse(rows))
    assert rows <= edge
    assert coarse(edge) == coarse(rows)
    assert coarse(edge + 1) > coarse(rows)


def test_more_rows_than_the_largest_weight_count_no_more() -> None:
    limits = RowLimits.of(300, 200)
    assert [limits.weight(rows) for rows in (0, 199, 304)] == [0, 199, 200]
    assert [limits.believed(rows) for rows in (304, 305)] == [304, 304]
    assert RowLimits().weight(2**53) == 2**53
