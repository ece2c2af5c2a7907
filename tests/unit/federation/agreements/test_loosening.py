"""Over generated agreements and jobs: loosening one term never refuses more, and both sides answer alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from federation.agreements.policy import Policy, QuietHours
from federation.protection.clear import Clear
from federation.protection.encrypted import Encrypted
from federation.protection.masked import Masked
from federation.protocol.documents import (
    CoveredDataset,
    Limits,
    OrderKind,
    Privacy,
    PrivacyCost,
    Purpose,
    Terms,
    TrainingLimits,
    UseConditions,
    Weighting,
)
from tests.support.decision_cases import DATASET, KEYS, NOW, Case, allowed_case
from tests.support.examples import examples

WIDE = TrainingLimits(
    tasks=("train", "evaluate", "statistics"),
    families=("logistic", "mlp", "softmax", "plan"),
    parameters_max=100,
    rounds_max=20,
    update_norm_l2_max=1e4,
)
DIGESTS = ("sha256:" + "d" * 64, "sha256:" + "e" * 64)
DISEASES = ("ICD-10:I", "ICD-10:I2", "ICD-10:I25", "ICD-10:I25.1", "ICD-10:C34", "MONDO:0005010", "MONDO:0005011")
MODIFIERS = (
    "RS",
    "NMDS",
    "GSO",
    "NPUNCU",
    "PUB",
    "COL",
    "IRB",
    "GS",
    "MOR",
    "TS",
    "US",
    "PS",
    "IS",
    "RTN",
    "CC",
    "NPOA",
)
CATEGORIES = ("general_research", "health", "disease", "population_origins", "methods", "clinical_care", "fraud", "aml")
LADDER = {"DS": "HMB", "HMB": "GRU", "POA": "GRU", "GRU": "NRES", "FIN": "NRES", "NRES": "NRES"}
TASKS = ("train", "evaluate", "statistics")
FAMILIES = ("logistic", "mlp", "softmax", "plan")
MASKED = Masked(threshold=3, min_survivors=3, clip=1.0)
ENCRYPTED = Encrypted(degree=8192, primes=(60, 60), scale=40)
BASE = allowed_case(training_limits=WIDE)
assert BASE.status is not None
BASE_TERMS = BASE.status.agreement.terms


def some(values: tuple[str, ...], least: int = 0) -> st.SearchStrategy[tuple[str, ...]]:
    """A few of these, each once."""
    return st.lists(st.sampled_from(values), unique=True, min_size=least, max_size=len(values)).map(tuple)


uses = st.builds(
    UseConditions,
    permission=st.sampled_from(["NRES", "NRES", "GRU", "HMB", "DS", "DS", "POA", "FIN"]),
    diseases=some(DISEASES),
    finance=some(("fraud", "aml")),
    modifiers=st.one_of(st.just(()), some(MODIFIERS).map(lambda found: found[:3])),
    countries=some(("CH", "DE", "US")),
    institutions=some(("A", "B")),
    projects=some(("P", "Q")),
    users=st.sampled_from([(), ("8c6f2c38-6a2e-4b39-9d0e-000000000001",)]),
    until=st.one_of(st.none(), st.dates(date(2026, 5, 1), date(2026, 7, 1))),
    moratorium_until=st.one_of(st.none(), st.dates(date(2026, 5, 1), date(2026, 7, 1))),
)
purposes = st.one_of(
    st.none(),
    st.builds(
        Purpose,
        category=st.sampled_from(CATEGORIES),
        diseases=some(DISEASES).map(lambda found: found[:2]),
        commercial=st.booleans(),
        for_profit=st.booleans(),
        countries=some(("CH", "DE", "US")),
        institutions=some(("A", "B")),
        project=st.sampled_from([None, "P", "Q"]),
        genetic=st.booleans(),
        ethics_approval=st.sampled_from([None, "2026-17"]),
        publishes=st.booleans(),
        publishes_from=st.one_of(st.none(), st.dates(date(2026, 5, 1), date(2026, 7, 1))),
        collaborates=st.booleans(),
        returns_results=st.booleans(),
        restrictions_accepted=st.booleans(),
    ),
)
ceilings = st.sampled_from([None, 0.5, 1.0, 2.0, 8.0])
deltas = st.sampled_from([None, 1e-7, 1e-6, 1e-5])


TERMS: dict[str, st.SearchStrategy[object]] = {
    "purposes": uses,
    "tasks": some(TASKS, 1),
    "families": some(FAMILIES, 1),
    "parameters_max": st.sampled_from([13, 14, 20]),
    "rounds_max": st.sampled_from([1, 9, 10, 11]),
    "update_norm_l2_max": st.sampled_from([1.0, 1e4, 1e6]),
    "trainer_network": st.sampled_from(["forbidden", "allowed"]),
    "digests": some(DIGESTS),
    "reviewers": st.sampled_from([1, 2]),
    "protection": some(("masked", "encrypted", "clear"), 1),
    "privacy": st.builds(Privacy, required=st.booleans(), epsilon_max=ceilings, delta_max=deltas),
    "minimum_participants": st.integers(1, 5),
    "minimum_rows": st.sampled_from([0, 100, 300, 400]),
    "organisation_share_max": st.sampled_from([None, 0.25, 0.4, 0.5]),
    "minimum_cell": st.sampled_from([1, 5, 6]),
    "not_before": st.sampled_from([NOW - timedelta(days=9), NOW, NOW + timedelta(days=1)]),
    "not_after": st.sampled_from([NOW + timedelta(days=9), NOW, NOW - timedelta(days=1)]),
    "running_jobs": st.sampled_from(["continue", "stop"]),
    "members": st.integers(2, 5),
    "covered": st.integers(1, 5),
    "use": st.one_of(st.none(), uses),
    "epsilon_max": ceilings,
    "delta_max": deltas,
}
JOB: dict[str, st.SearchStrategy[object]] = {
    "use": purposes,
    "task": st.sampled_from(["train", "evaluate"]),
    "rounds": st.sampled_from([1, 10, 20]),
    "model": st.sampled_from([{"family": family} for family in FAMILIES if family != "plan"]),
    "plan": st.sampled_from(DIGESTS),
    "protection": st.sampled_from([Clear(), MASKED, ENCRYPTED]),
    "privacy_cost": st.none() | st.builds(PrivacyCost, epsilon=st.sampled_from([0.5, 2.0]), delta=st.just(1e-6)),
    "code_digest": st.sampled_from([None, *DIGESTS]),
    "limits": st.builds(Limits, update_norm_l2_max=st.sampled_from([1.0, 1e4]), minimum_cell=st.sampled_from([5, 10])),
    "weighting": st.one_of(
        st.none(), st.builds(Weighting, organisation_share_max=st.sampled_from([None, 0.25, 0.45, 0.5]))
    ),
    "quorum": st.integers(1, 4),
}
SILO: dict[str, st.SearchStrategy[object]] = {
    "kind": st.sampled_from(list(OrderKind)),
    "round": st.sampled_from([1, 2, 10, 11, 12]),
    "rows_coarse": st.sampled_from([90, 300, 500]),
    "epsilon_spent": st.sampled_from([0.0, 1.0]),
    "rounds_today": st.sampled_from([0, 2]),
    "code_reviewers": st.sampled_from([0, 1, 2]),
    "network": st.sampled_from([None, "none", "allowed"]),
    "suspended": st.booleans(),
    "begun": st.booleans(),
    "newest_digest": st.sampled_from([None, DIGESTS[0]]),
}


def tight(changes: dict[str, Any]) -> Terms:
    """The terms that allow much, but for these."""
    terms = BASE_TERMS
    datasets = tuple(
        CoveredDataset(
            signatory_key=member.signatory_key,
            dataset=DATASET,
            **{name: changes[name] for name in ("use", "epsilon_max", "delta_max") if name in changes},
        )
        for member in terms.members[: changes.get("covered", 5)]
    )
    updates: dict[str, object] = {"datasets": datasets, "members": terms.members[: changes.get("members", 5)]}
    for name in ("purposes", "protection", "privacy"):
        if name in changes:
            updates[name] = changes[name]
    for inner in ("training_limits", "code", "cohort", "disclosure", "validity", "amendment"):
        part_of = getattr(terms, inner)
        mine = {name: value for name, value in changes.items() if name in type(part_of).model_fields}
        updates[inner] = part_of.model_copy(update=mine)
    return terms.model_copy(update=updates)


policies = st.builds(
    Policy,
    epsilon_max=st.sampled_from([None, None, 1.0, 8.0]),
    families=st.one_of(st.none(), some(FAMILIES)),
    parameters_max=st.sampled_from([None, 13, 14]),
    custom_code=st.sampled_from(["never", "approved"]),
    rounds_per_day_max=st.sampled_from([None, 0, 2]),
    minimum_participants=st.sampled_from([1, 1, 4, 5]),
    minimum_rows=st.sampled_from([0, 0, 400]),
    organisation_share_max=st.sampled_from([None, None, 0.3, 0.5]),
    quiet_hours=st.sampled_from([(), (), (QuietHours(begin=time(11), end=time(13)),)]),
)


def few(draw: st.DrawFn, table: dict[str, st.SearchStrategy[object]], most: int) -> dict[str, Any]:
    """Other values for a few of these names."""
    names = draw(st.lists(st.sampled_from(sorted(table)), unique=True, max_size=most))
    return {name: draw(table[name]) for name in names}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A question that differs in a few respects from one which is answered with yes."""
    case = BASE.under(tight(few(draw, TERMS, 5)))
    assert case.status is not None
    assert case.order is not None
    asked = few(draw, JOB, 3)
    if "plan" in asked:
        asked |= {"model": {"family": "plan"}, "code_digest": asked.pop("plan")}
    agreement = case.status.agreement
    cohort = case.manifest.cohort[: len(agreement.terms.members)]
    manifest = case.manifest.model_copy(update={"cohort": cohort, "quorum": len(cohort), **asked})
    at_silo = few(draw, SILO, 2)

    def mine(thing: object) -> dict[str, Any]:
        return {name: value for name, value in at_silo.items() if hasattr(thing, name)}

    place = replace(
        case.place,
        position=replace(case.place.position, **mine(case.place.position)),
        **mine(case.place),
        policy=draw(st.one_of(st.just(Policy(custom_code="approved")), policies)),
    )
    order = case.order.model_copy(update=mine(case.order))
    return replace(
        case,
        status=replace(case.status, **mine(case.status)),
        manifest=manifest,
        order=draw(st.sampled_from([order, None])),
        place=place,
    )


def in_use(change: Callable[[UseConditions], UseConditions]) -> Callable[[Terms], Terms]:
    """Loosen the conditions of use, the agreement's and every data set's."""

    def loosen(terms: Terms) -> Terms:
        datasets = tuple(
            covered if covered.use is None else covered.model_copy(update={"use": change(covered.use)})
            for covered in terms.datasets
        )
        return terms.model_copy(update={"purposes": change(terms.purposes), "datasets": datasets})

    return loosen


def part(name: str, **changes: object) -> Callable[[Terms], Terms]:
    """Set fields of a part of the terms; a function is given the value that was there."""

    def loosen(terms: Terms) -> Terms:
        inner = getattr(terms, name)
        given_changes = {key: to(getattr(inner, key)) if callable(to) else to for key, to in changes.items()}
        return terms.model_copy(update={name: inner.model_copy(update=given_changes)})

    return loosen


def every_dataset(**changes: object) -> Callable[[Terms], Terms]:
    """Loosen what is stated about every data set."""
    return lambda terms: terms.model_copy(
        update={"datasets": tuple(covered.model_copy(update=changes) for covered in terms.datasets)}
    )


def all_members(terms: Terms) -> Terms:
    """Let in who was left out; they have signed like the others."""
    return terms.model_copy(update={"members": BASE_TERMS.members})


def cover_all(terms: Terms) -> Terms:
    """Cover the data sets of those members that brought none."""
    there = {covered.signatory_key for covered in terms.datasets}
    more = tuple(
        CoveredDataset(signatory_key=key.public.encoded, dataset=DATASET)
        for key in KEYS
        if key.public.encoded not in there
    )
    return terms.model_copy(update={"datasets": terms.datasets + more})


def _set(**changes: object) -> Callable[[UseConditions], UseConditions]:
    return lambda use: use.model_copy(update=changes)


LOOSER: dict[str, Callable[[Terms], Terms]] = {
    "a wider permission": in_use(lambda use: use.model_copy(update={"permission": LADDER[use.permission]})),
    "more diseases": in_use(_set(diseases=DISEASES)),
    "broader diseases": in_use(
        lambda use: use.model_copy(
            update={"diseases": tuple(d[:8] if d.startswith("ICD") else d for d in use.diseases)}
        )
    ),
    "more purposes of a bank": in_use(_set(finance=("fraud", "aml", "credit_risk", "stress_testing"))),
    "one modifier less": in_use(
        lambda use: use.model_copy(
            update={"modifiers": tuple(m for m in use.modifiers if m == "CC" or m != next(iter(use.modifiers), None))}
        )
    ),
    "clinical care too": in_use(lambda use: use.model_copy(update={"modifiers": (*use.modifiers, "CC")})),
    "more countries": in_use(_set(countries=("CH", "DE", "US"))),
    "more institutions": in_use(_set(institutions=("A", "B"))),
    "more projects": in_use(_set(projects=("P", "Q"))),
    "more users": in_use(_set(users=("8c6f2c38-6a2e-4b39-9d0e-000000000001",))),
    "used for longer": in_use(
        lambda use: use.model_copy(update={"until": max(use.until or NOW.date(), date(2027, 1, 1))})
    ),
    "published earlier": in_use(_set(moratorium_until=date(2026, 1, 1))),
    "no conditions of a data set's own": every_dataset(use=None),
    "no epsilon ceiling of a data set": every_dataset(epsilon_max=None),
    "no delta ceiling of a data set": every_dataset(delta_max=None),
    "more data sets": cover_all,
    "more members": all_members,
    "more tasks": part("training_limits", tasks=TASKS),
    "more families": part("training_limits", families=FAMILIES),
    "more parameters": part("training_limits", parameters_max=lambda n: n * 2),
    "more rounds": part("training_limits", rounds_max=lambda n: n * 2),
    "larger updates": part("training_limits", update_norm_l2_max=lambda n: n * 2),
    "trainers with a network": part("training_limits", trainer_network="allowed"),
    "more code": part("code", digests=DIGESTS),
    "fewer reviewers": part("code", reviewers=1),
    "more protection modes": lambda terms: terms.model_copy(update={"protection": ("masked", "encrypted", "clear")}),
    "privacy not required": part("privacy", required=False),
    "no epsilon ceiling": part("privacy", epsilon_max=None),
    "a higher epsilon ceiling": part("privacy", epsilon_max=lambda e: None if e is None else e * 2),
    "no delta ceiling": part("privacy", delta_max=None),
    "fewer participants": part("cohort", minimum_participants=lambda n: max(1, n - 1)),
    "fewer rows": part("cohort", minimum_rows=lambda n: n // 2),
    "a larger share": part("cohort", organisation_share_max=lambda s: None if s is None else min(0.5, s * 1.5)),
    "no share of its own": part("cohort", organisation_share_max=None),
    "smaller cells": part("disclosure", minimum_cell=lambda n: max(1, n - 1)),
    "more figures": part("disclosure", metrics=("loss", "accuracy", "auc", "confusion")),
    "valid from earlier": part("validity", not_before=lambda at: at - timedelta(days=5)),
    "valid for longer": part("validity", not_after=lambda at: at + timedelta(days=5)),
    "running jobs go on": part("amendment", running_jobs="continue"),
}
LOOSER_POLICY: dict[str, dict[str, object]] = {
    "epsilon": {"epsilon_max": None},
    "families": {"families": None},
    "parameters": {"parameters_max": None},
    "code": {"custom_code": "approved"},
    "rounds": {"rounds_per_day_max": None},
    "participants": {"minimum_participants": 1},
    "rows": {"minimum_rows": 0},
    "share": {"organisation_share_max": None},
    "hours": {"quiet_hours": ()},
}


@settings(max_examples=examples(400), deadline=None)
@given(cases())
def test_loosening_any_one_term_never_refuses_more(case: Case) -> None:
    assert case.status is not None
    if case.decide() is not None:
        return
    for name, loosen in LOOSER.items():
        looser = case.under(loosen(case.status.agreement.terms)).decide()
        assert looser is None, f"{name}: {looser}"
    for name, changes in LOOSER_POLICY.items():
        place = replace(case.place, policy=case.place.policy.model_copy(update=changes))
        looser = replace(case, place=place).decide()
        assert looser is None, f"{name}: {looser}"


@settings(max_examples=examples(200), deadline=None)
@given(cases())
def test_what_the_platform_refuses_the_trainer_refuses_for_the_same_reason(case: Case) -> None:
    """The platform asks without an order and knows nothing of the silo's policy; all else it knows as the silo does."""
    reviewed = Policy(custom_code="approved")
    platform = replace(case, order=None, place=replace(case.place, policy=reviewed)).decide()
    trainer = case.decide()
    if platform is not None:
        assert trainer is not None
        assert trainer.code == platform.code or case.order is not None
    elif case.order is None and case.place.policy == reviewed:
        assert trainer is None
    elif trainer is not None:
        assert trainer.clause == "policy" or trainer.code in {"agreement.task", "order.round_beyond"}


def test_the_questions_are_answered_with_yes_and_with_no() -> None:
    """A property over cases that are all refused would show nothing."""
    answers: list[str | None] = []

    @settings(max_examples=examples(600), deadline=None, database=None)
    @given(cases())
    def collect(case: Case) -> None:
        refusal = case.decide()
        answers.append(None if refusal is None else refusal.code)

    collect()
    assert answers.count(None) >= 60
    assert len(set(answers)) >= 15
