"""Terms that contradict one another are reported at once, by field."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from federation.agreements.contradictions import check_terms
from federation.errors import Invalid
from federation.protocol.documents import (
    Cohort,
    CoveredDataset,
    CustomCode,
    DisclosureTerms,
    Member,
    Privacy,
    Terms,
    UseConditions,
    Validity,
)
from federation.protocol.keys import PrivateKey
from tests.support.decision_cases import KEYS, NOW, terms_of

FAMILIES = frozenset({"logistic", "mlp", "plan", "softmax"})
PLAN = "sha256:" + "1" * 64


def changed(**changes: object) -> Terms:
    """Terms with this changed."""
    return terms_of().model_copy(update=changes)


def use(**fields: object) -> Terms:
    """Terms with these purposes."""
    return changed(purposes=UseConditions.model_validate(fields))


def members(change: Callable[[tuple[Member, ...]], tuple[Member, ...]]) -> Terms:
    """Terms with other members."""
    return changed(members=change(terms_of().members))


def first_dataset(**fields: object) -> Terms:
    """Terms in which the first data set is covered otherwise."""
    first, *rest = terms_of().datasets
    return changed(datasets=(first.model_copy(update=fields), *rest))


def coded(*digests: str, families: tuple[str, ...] = ("logistic", "plan")) -> Terms:
    """Terms that name code."""
    work = terms_of().training_limits.model_copy(update={"families": families})
    return changed(training_limits=work, code=CustomCode(digests=digests))


def dataset_for(**fields: object) -> Terms:
    """Terms in which the first data set has conditions of its own."""
    return first_dataset(use=UseConditions.model_validate(fields))


BEFORE = (NOW - timedelta(days=3650)).date()
STRANGER = PrivateKey.generate().public.encoded
FAULTS = [
    ("purposes.until", use(permission="HMB", modifiers=("TS",), until=BEFORE)),
    ("datasets.0.use.until", dataset_for(permission="HMB", modifiers=("TS",), until=BEFORE)),
    ("datasets.0.use.permission", dataset_for(permission="FIN", finance=("fraud",))),
    ("datasets.0.use.permission", dataset_for(permission="POA")),
    ("datasets.0.use.permission", dataset_for(permission="DS", diseases=("ICD-10:C",))),
    ("code.digests", coded(PLAN, families=("logistic",))),
    ("code.digests", coded(PLAN, PLAN)),
    ("members.0.organisation", members(lambda all_: (*all_, all_[0].model_copy(update={"signatory_key": STRANGER})))),
    ("members.0.signatory_key", members(lambda all_: (*all_, all_[0].model_copy(update={"organisation": "Other"})))),
    ("datasets.0.signatory_key", first_dataset(signatory_key=STRANGER)),
    ("datasets.0.dataset", changed(datasets=terms_of().datasets + terms_of().datasets[:1])),
    ("datasets.0.epsilon_max", first_dataset(epsilon_max=0)),
    ("datasets.0.use.diseases", first_dataset(use=UseConditions(permission="DS"))),
    ("purposes.diseases", use(permission="DS")),
    ("purposes.diseases", use(permission="HMB", diseases=["ICD-10:I"])),
    ("purposes.finance", use(permission="FIN")),
    ("purposes.finance", use(permission="NRES", finance=["aml"])),
    ("purposes.modifiers", use(permission="HMB", modifiers=["NCU", "NCU"])),
    ("purposes.modifiers", use(permission="POA", modifiers=["NPOA"])),
    *(
        (f"purposes.{name}", use(permission="HMB", modifiers=[code]))
        for code, name in (
            ("GS", "countries"),
            ("IS", "institutions"),
            ("US", "users"),
            ("PS", "projects"),
            ("TS", "until"),
            ("MOR", "moratorium_until"),
            ("RS", "research"),
        )
    ),
    ("purposes.countries", use(permission="HMB", countries=["CH"])),
    ("purposes.until", use(permission="HMB", until=date(2027, 1, 1))),
    ("purposes.moratorium_until", use(permission="HMB", moratorium_until=date(2027, 1, 1))),
    (
        "training_limits.families",
        changed(training_limits=terms_of().training_limits.model_copy(update={"families": ("logistic", "oracle")})),
    ),
    (
        "training_limits.tasks",
        changed(training_limits=terms_of().training_limits.model_copy(update={"tasks": ("train", "train")})),
    ),
    ("protection", changed(protection=("clear", "clear"))),
    ("clear_reason", changed(clear_reason=" ")),
    ("privacy.epsilon_max", changed(privacy=Privacy(required=True, epsilon_max=0, delta_max=1e-5))),
    ("privacy.epsilon_max", changed(privacy=Privacy(required=True, delta_max=1e-5))),
    ("privacy.delta_max", changed(privacy=Privacy(required=True, epsilon_max=1))),
    ("cohort.minimum_participants", changed(cohort=Cohort(minimum_participants=6))),
    ("cohort.organisation_share_max", changed(cohort=Cohort(minimum_participants=3, organisation_share_max=0.19))),
    (
        "disclosure.release_confirmed_by_each",
        changed(disclosure=DisclosureTerms(minimum_cell=5, final_model=False, release_confirmed_by_each=True)),
    ),
    (
        "disclosure.recipients",
        changed(disclosure=DisclosureTerms(minimum_cell=5, final_model=False, recipients=("Other",))),
    ),
    (
        "disclosure.round_models",
        changed(disclosure=DisclosureTerms(minimum_cell=5, final_model=False, round_models=True)),
    ),
    ("validity.not_after", changed(validity=Validity(not_before=NOW, not_after=NOW))),
    ("validity.not_after", changed(validity=Validity(not_before=NOW - timedelta(days=2), not_after=NOW))),
]


def test_terms_without_a_contradiction_pass() -> None:
    check_terms(terms_of(), FAMILIES, NOW)


@pytest.mark.parametrize(
    "conditions",
    [
        {"permission": "NRES"},
        {"permission": "HMB", "modifiers": ("NMDS", "TS"), "until": date(2099, 1, 1)},
        {"permission": "DS", "diseases": ("ICD-10:C", "ICD-10:I25.1")},
        {"permission": "DS", "diseases": ("ICD-10:I",)},
    ],
)
def test_a_data_set_may_be_for_less_or_more_than_the_agreement(conditions: dict[str, object]) -> None:
    check_terms(dataset_for(**conditions), FAMILIES, NOW)


def test_plans_may_be_agreed_on_before_any_is_named() -> None:
    check_terms(coded(), FAMILIES, NOW)
    check_terms(coded(PLAN), FAMILIES, NOW)


@pytest.mark.parametrize(("field", "terms"), FAULTS)
def test_a_contradiction_is_reported_with_its_field(field: str, terms: Terms) -> None:
    with pytest.raises(Invalid) as caught:
        check_terms(terms, FAMILIES, NOW)
    assert caught.value.code == "agreement.contradiction"
    assert field in caught.value.fields


def test_what_has_a_fault_of_its_own_is_not_said_to_have_no_use() -> None:
    with pytest.raises(Invalid) as caught:
        check_terms(dataset_for(permission="DS"), FAMILIES, NOW)
    assert set(caught.value.fields) == {"datasets.0.use.diseases"}


def test_everything_wrong_is_reported_together() -> None:
    terms = changed(
        privacy=Privacy(required=True, epsilon_max=0),
        cohort=Cohort(minimum_participants=9),
        datasets=(CoveredDataset(signatory_key=KEYS[0].public.encoded, dataset="a", epsilon_max=0),),
    )
    with pytest.raises(Invalid) as caught:
        check_terms(terms, FAMILIES, NOW)
    assert set(caught.value.fields) == {
        "datasets.0.epsilon_max",
        "privacy.epsilon_max",
        "privacy.delta_max",
        "cohort.minimum_participants",
    }
