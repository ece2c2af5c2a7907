"""Whether a job's purpose is among the uses that data are allowed for. Pure.

The matching follows GA4GH's Data Use Ontology: a permission says what for, a modifier narrows it (CC alone widens it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import product
from types import MappingProxyType

from federation.agreements.rules import Allowed
from federation.protocol.documents import Purpose, UseConditions
from federation.protocol.documents.purposes import CATEGORIES

_MEDICAL = frozenset({"health", "disease", "methods"})
_RESEARCH = _MEDICAL | {"general_research", "population_origins"}
_OF_DISEASES = frozenset({"disease", "methods", "clinical_care"})


def covers(broader: str, narrower: str) -> bool:
    """Whether one disease code is another or contains it: ICD-10 by prefix, MONDO by being equal."""
    system, _, code = broader.partition(":")
    other_system, _, other = narrower.partition(":")
    if system != other_system:
        return False
    if system == "ICD-10":
        return other.replace(".", "").startswith(code.replace(".", ""))
    return code == other


def have_use_in_common(one: UseConditions, other: UseConditions) -> bool:
    """Whether there is anything for which both allow data, by kind of use and disease."""
    if not _kinds(one) & _kinds(other):
        return False
    if not one.permission == other.permission == "DS":
        return True
    return any(covers(a, b) or covers(b, a) for a, b in product(one.diseases, other.diseases))


def _kinds(use: UseConditions) -> frozenset[str]:
    """The kinds of use that are allowed, for the diseases that are."""
    asked = (Purpose(category=category, diseases=use.diseases[:1]) for category in CATEGORIES)
    return frozenset(
        purpose.category
        for purpose in asked
        if _permitted(use, purpose)
        and not ("NMDS" in use.modifiers and purpose.category == "methods")
        and not ("NPOA" in use.modifiers and purpose.category == "population_origins")
    )


def first_unmet_condition(use: UseConditions, purpose: Purpose | None, launched_by: str, today: date) -> str | None:
    """The first code of `use` that this purpose does not meet; None if it meets them all."""
    return next(unmet_codes(use, purpose, launched_by, today), None)


def unmet_codes(use: UseConditions, purpose: Purpose | None, launched_by: str, today: date) -> Iterator[str]:
    """The codes of `use` that this purpose does not meet, the permission first.

    A job that declares no purpose meets no condition at all. `launched_by` is the launcher's id.
    """
    if purpose is None:
        unrestricted = use.permission == "NRES" and set(use.modifiers) <= {"CC"}
        if not unrestricted:
            yield use.permission
        yield from (code for code in use.modifiers if not _JUDGES[code](use, _BLANK, launched_by, today))
        return
    if not _permitted(use, purpose):
        yield use.permission
    yield from (code for code in use.modifiers if not _JUDGES[code](use, purpose, launched_by, today))


def allowed_by(use: UseConditions, code: str) -> Allowed | None:
    """The values with which a purpose would meet a code of these conditions; None where the code itself says it."""
    if code == use.permission and code not in {"DS", "FIN", "NRES"}:
        kinds = tuple(kind for kind in CATEGORIES if _permitted(use, Purpose(category=kind)))
        return Allowed("one_of", kinds)
    named: Mapping[str, tuple[str, ...]] = {
        "DS": use.diseases,
        "FIN": use.finance,
        "GS": use.countries,
        "IS": use.institutions,
        "PS": use.projects,
    }
    if code in named:
        return Allowed("one_of", named[code])
    if code == "MOR" and use.moratorium_until is not None:
        return Allowed("at_least", (use.moratorium_until.isoformat(),))
    if code == "TS" and use.until is not None:
        return Allowed("at_most", (use.until.isoformat(),))
    return None


_BLANK = Purpose(category="general_research")


def _permitted(use: UseConditions, purpose: Purpose) -> bool:
    category = purpose.category
    if use.permission == "NRES":
        return True
    if use.permission == "POA":
        return category == "population_origins"
    if use.permission == "FIN":
        return category in use.finance
    if category == "clinical_care" and "CC" not in use.modifiers:
        return False
    if use.permission == "DS":
        return category in _OF_DISEASES and _all_covered(use, purpose)
    return category == "clinical_care" or category in (_RESEARCH if use.permission == "GRU" else _MEDICAL)


def _all_covered(use: UseConditions, purpose: Purpose) -> bool:
    return bool(purpose.diseases) and all(
        any(covers(broader, disease) for broader in use.diseases) for disease in purpose.diseases
    )


def _among(named: tuple[str, ...], allowed: tuple[str, ...]) -> bool:
    return bool(named) and set(named) <= set(allowed)


def _after_moratorium(use: UseConditions, purpose: Purpose) -> bool:
    if not purpose.publishes:
        return True
    first, end = purpose.publishes_from, use.moratorium_until
    return first is not None and end is not None and first >= end


_Judge = Callable[[UseConditions, Purpose, str, date], bool]
_JUDGES: Mapping[str, _Judge] = MappingProxyType(
    {
        "RS": lambda use, purpose, by, today: purpose.restrictions_accepted,
        "NMDS": lambda use, purpose, by, today: purpose.category != "methods",
        "GSO": lambda use, purpose, by, today: purpose.genetic,
        "NPUNCU": lambda use, purpose, by, today: not purpose.commercial and not purpose.for_profit,
        "PUB": lambda use, purpose, by, today: purpose.publishes,
        "COL": lambda use, purpose, by, today: purpose.collaborates,
        "IRB": lambda use, purpose, by, today: purpose.ethics_approval is not None,
        "GS": lambda use, purpose, by, today: _among(purpose.countries, use.countries),
        "MOR": lambda use, purpose, by, today: _after_moratorium(use, purpose),
        "TS": lambda use, purpose, by, today: use.until is not None and today <= use.until,
        "US": lambda use, purpose, by, today: by in use.users,
        "PS": lambda use, purpose, by, today: purpose.project is not None and purpose.project in use.projects,
        "IS": lambda use, purpose, by, today: _among(purpose.institutions, use.institutions),
        "RTN": lambda use, purpose, by, today: purpose.returns_results,
        "CC": lambda use, purpose, by, today: True,
        "NPOA": lambda use, purpose, by, today: purpose.category != "population_origins",
        "NPU": lambda use, purpose, by, today: not purpose.for_profit,
        "NCU": lambda use, purpose, by, today: not purpose.commercial,
    }
)
