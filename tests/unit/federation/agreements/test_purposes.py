"""Matching of purposes: most specific first, and each modifier both ways."""

from __future__ import annotations

from datetime import date
from typing import Any, get_args

import pytest

from federation.agreements.examples import purpose_within
from federation.agreements.purposes import covers, first_unmet_condition
from federation.agreements.vocabulary import CATEGORIES, FINANCE, MODIFIERS, PERMISSIONS
from federation.protocol.documents import Purpose, UseConditions
from federation.protocol.documents.purposes import Category, FinancePurpose, Modifier, Permission

TODAY = date(2026, 6, 1)
LUNG_CANCER, CANCER = "ICD-10:C34", "ICD-10:C"


def asked(use: dict[str, Any], purpose: dict[str, Any] | None) -> str | None:
    """What such a use misses in such a purpose."""
    declared = None if purpose is None else Purpose(**{"category": "health", **purpose})
    return first_unmet_condition(UseConditions(**{"permission": "HMB", **use}), declared, "user-1", TODAY)


@pytest.mark.parametrize(
    ("broader", "narrower", "expected"),
    [
        (CANCER, LUNG_CANCER, True),
        (LUNG_CANCER, CANCER, False),
        (LUNG_CANCER, "ICD-10:C34.1", True),
        ("ICD-10:C34.1", "ICD-10:C34.12", True),
        ("ICD-10:C34.1", "ICD-10:C34", False),
        ("ICD-10:C3", "ICD-10:C34.1", True),
        ("ICD-10:I25", "ICD-10:I2", False),
        ("MONDO:0005010", "MONDO:0005010", True),
        ("MONDO:0005010", "MONDO:0005011", False),
        (CANCER, "MONDO:0005010", False),
    ],
)
def test_a_disease_covers_itself_and_what_is_narrower(broader: str, narrower: str, *, expected: bool) -> None:
    assert covers(broader, narrower) is expected


@pytest.mark.parametrize(
    ("permission", "categories"),
    [
        ("NRES", set(CATEGORIES)),
        ("GRU", {"general_research", "health", "disease", "population_origins", "methods"}),
        ("HMB", {"health", "disease", "methods"}),
        ("POA", {"population_origins"}),
    ],
)
def test_a_permission_allows_these_kinds_of_use_and_no_others(permission: str, categories: set[str]) -> None:
    allowed = {name for name in CATEGORIES if asked({"permission": permission}, {"category": name}) is None}
    assert allowed == categories


def test_data_for_a_disease_serve_it_and_what_is_narrower() -> None:
    cancer = {"permission": "DS", "diseases": (CANCER,)}
    assert asked(cancer, {"category": "disease", "diseases": (LUNG_CANCER,)}) is None
    assert (
        asked({"permission": "DS", "diseases": (LUNG_CANCER,)}, {"category": "disease", "diseases": (CANCER,)}) == "DS"
    )
    assert asked(cancer, {"category": "disease", "diseases": (LUNG_CANCER, "ICD-10:I25")}) == "DS"
    assert asked(cancer, {"category": "disease"}) == "DS"
    assert asked(cancer, {"category": "health", "diseases": (LUNG_CANCER,)}) == "DS"


def test_a_bank_names_its_purposes() -> None:
    use = {"permission": "FIN", "finance": ("fraud", "aml")}
    assert {name for name in CATEGORIES if asked(use, {"category": name}) is None} == {"fraud", "aml"}


def test_clinical_care_is_allowed_by_cc_alone() -> None:
    assert asked({}, {"category": "clinical_care"}) == "HMB"
    assert asked({"modifiers": ("CC",)}, {"category": "clinical_care"}) is None
    heart = {"permission": "DS", "diseases": ("ICD-10:I",), "modifiers": ("CC",)}
    assert asked(heart, {"category": "clinical_care", "diseases": ("ICD-10:I25",)}) is None
    assert asked(heart, {"category": "clinical_care"}) == "DS"


MET_AND_NOT: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("RS", {"research": "cohort studies"}, {"restrictions_accepted": True}, {}),
    ("NMDS", {}, {}, {"category": "methods"}),
    ("GSO", {}, {"genetic": True}, {}),
    ("NPUNCU", {}, {}, {"commercial": True}),
    ("NPUNCU", {}, {}, {"for_profit": True}),
    ("PUB", {}, {"publishes": True}, {}),
    ("COL", {}, {"collaborates": True}, {}),
    ("IRB", {}, {"ethics_approval": "2026-17"}, {}),
    ("GS", {"countries": ("CH", "DE")}, {"countries": ("CH",)}, {"countries": ("CH", "US")}),
    ("GS", {"countries": ("CH", "DE")}, {"countries": ("DE", "CH")}, {}),
    ("MOR", {"moratorium_until": date(2027, 1, 1)}, {}, {"publishes": True}),
    (
        "MOR",
        {"moratorium_until": date(2027, 1, 1)},
        {"publishes": True, "publishes_from": date(2027, 1, 1)},
        {"publishes": True, "publishes_from": date(2026, 12, 31)},
    ),
    ("US", {"users": ("user-1",)}, {}, {}),
    ("PS", {"projects": ("HEART",)}, {"project": "HEART"}, {"project": "LUNG"}),
    ("IS", {"institutions": ("A", "B")}, {"institutions": ("A",)}, {"institutions": ("A", "C")}),
    ("RTN", {}, {"returns_results": True}, {}),
    ("NPU", {}, {}, {"for_profit": True}),
    ("NCU", {}, {"for_profit": True}, {"commercial": True}),
]


@pytest.mark.parametrize(("modifier", "use", "met", "not_met"), MET_AND_NOT)
def test_a_modifier_is_met_or_named(
    modifier: str, use: dict[str, Any], met: dict[str, Any], not_met: dict[str, Any]
) -> None:
    assert asked({**use, "modifiers": (modifier,)}, met) is None
    if modifier == "US":
        assert asked({"users": ("somebody-else",), "modifiers": ("US",)}, met) == "US"
    else:
        assert asked({**use, "modifiers": (modifier,)}, not_met) == modifier
        assert asked(use, not_met) is None


def test_population_origins_can_be_forbidden() -> None:
    use = {"permission": "GRU", "modifiers": ("NPOA",)}
    assert asked(use, {"category": "population_origins"}) == "NPOA"
    assert asked(use, {}) is None


def test_a_time_limit_includes_its_last_day() -> None:
    assert asked({"modifiers": ("TS",), "until": TODAY}, {}) is None
    assert asked({"modifiers": ("TS",), "until": date(2026, 5, 31)}, {}) == "TS"
    assert asked({"modifiers": ("TS",)}, {}) == "TS"


def test_who_declares_no_purpose_gets_what_has_no_restriction() -> None:
    assert asked({"permission": "NRES"}, None) is None
    assert asked({"permission": "NRES", "modifiers": ("IRB",)}, None) == "NRES"
    assert asked({}, None) == "HMB"


def test_the_tables_have_every_code_of_the_documents_and_no_other() -> None:
    assert set(PERMISSIONS) == set(get_args(Permission))
    assert set(MODIFIERS) == {code for part in get_args(Modifier) for code in get_args(part)}
    assert set(FINANCE) == set(get_args(FinancePurpose))
    assert set(CATEGORIES) == {name for part in get_args(Category) for name in get_args(part)}
    ids = [code.id for code in (*PERMISSIONS.values(), *MODIFIERS.values())]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    "use",
    [
        UseConditions(permission="NRES"),
        UseConditions(permission="DS", diseases=("ICD-10:I25",), modifiers=("NCU", "IRB", "NMDS", "CC", "NPOA")),
        UseConditions(permission="FIN", finance=("aml",), modifiers=("NPU", "NPUNCU")),
        UseConditions(permission="POA", modifiers=("GSO", "COL", "RTN", "PUB")),
        UseConditions(
            permission="GRU",
            modifiers=("RS", "GS", "PS", "IS", "PUB", "MOR", "TS"),
            research="cohort studies",
            countries=("CH",),
            projects=("HEART",),
            institutions=("A",),
            moratorium_until=date(2027, 1, 1),
            until=date(2027, 1, 1),
        ),
    ],
)
def test_the_tutorials_example_meets_the_conditions(use: UseConditions) -> None:
    assert first_unmet_condition(use, Purpose.model_validate(purpose_within(use)), "user-1", TODAY) is None
