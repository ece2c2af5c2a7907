"""Terms as somebody hands them in, and the document that is made of them. Pure, but for the clock."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from pydantic import ValidationError

from agreements.models import AgreementVersion
from federation.agreements.contradictions import check_terms
from federation.agreements.partial_terms import faults_so_far
from federation.agreements.rendering import Clause, clauses
from federation.errors import Invalid
from federation.learning.models import FAMILIES
from federation.protection import MODES
from federation.protocol.documents import Agreement, Terms, read
from federation.targets import TARGETS
from federation.validation import refusal
from rest.names import one_line

WITHIN = "terms"
_NAMES = frozenset({"organisation", "families", "recipients", "institutions", "users", "projects"})


def read_terms(data: Mapping[str, Any]) -> Terms:
    """Terms from JSON values.

    Raises Invalid ``agreement.terms`` with all that is wrong, by field under `terms`: also with what contradicts itself
    in the rest.
    """
    try:
        terms = Terms.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        raise with_contradictions(refusal(error, "agreement.terms", WITHIN, data=data), data) from error
    _check_names(terms.model_dump(mode="json"), WITHIN)
    return terms


def _check_names(statement: object, where: str, *, are_names: bool = False) -> None:
    """Raise Invalid ``name.not_one_line`` where a name in new terms is not one line."""
    if isinstance(statement, str) and are_names:
        one_line(statement, where)
    elif isinstance(statement, Mapping):
        for name, inner in statement.items():
            _check_names(inner, f"{where}.{name}", are_names=name in _NAMES)
    elif isinstance(statement, list):
        for place, inner in enumerate(statement):
            _check_names(inner, f"{where}.{place}", are_names=are_names)


def with_contradictions(refused: Invalid, terms: object) -> Invalid:
    """What is wrong with terms that can't be read, and what contradicts itself in them so far."""
    fields = dict(refused.fields)
    if isinstance(terms, Mapping):
        for name, one_report, _rests_on in faults_so_far(terms, frozenset(FAMILIES), timezone.now()):
            fields.setdefault(f"{WITHIN}.{name}", []).append(one_report)
    return Invalid(refused.code, refused.message, refused.field, fields=fields)


def check_wording(terms: Terms) -> None:
    """Raise Invalid ``agreement.contradiction`` with everything that contradicts itself, by field under `terms`."""
    try:
        check_terms(terms, frozenset(FAMILIES), timezone.now())
    except Invalid as error:
        fields = {f"{WITHIN}.{name}": one_report for name, one_report in error.fields.items()}
        raise Invalid(error.code, error.message, next(iter(fields)), fields=fields) from error


def kept(terms: Terms) -> dict[str, Any]:
    """Terms as they are stored while they may change."""
    plain: dict[str, Any] = terms.model_dump(mode="json")
    return plain


def terms_of(version: AgreementVersion) -> Terms:
    """The terms of a version, as they stand."""
    return Terms.model_validate(version.terms)


def agreement_of(version: AgreementVersion, terms: Mapping[str, Any] | None = None) -> Agreement:
    """What the version says: the signed document, or what it would be if signing were opened with these terms."""
    if version.payload is not None and terms is None:
        return read(Agreement, bytes(version.payload))
    return Agreement(
        agreement_id=version.agreement_id,
        consortium_id=version.consortium_id,
        consortium=version.consortium.name,
        version=version.number,
        supersedes=version.supersedes.digest if version.supersedes else None,
        terms=Terms.model_validate(version.terms if terms is None else terms),
        proposed_at=in_ms(version.proposed_at or version.drafted_at),
    )


def clauses_of(version: AgreementVersion) -> tuple[Clause, ...]:
    """Its clauses as people read them."""
    return clauses(agreement_of(version))


def first_terms(
    members: Mapping[str, str], datasets: Sequence[tuple[str, str]], targets: Collection[str] = ()
) -> dict[str, Any]:
    """Terms to begin with, where a consortium has none yet: cautious ones, for who drafts to change.

    `members` are the names of organisations by their keys, `datasets` the keys of members with the names of their data.
    `targets` are what models of these data are asked for: their metrics may leave, and no tables of counts.
    """
    begin = in_ms(timezone.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "members": [{"organisation": name, "signatory_key": key} for key, name in members.items()],
        "purposes": {"permission": "HMB", "modifiers": ["NCU"]},
        "datasets": [{"signatory_key": key, "dataset": name} for key, name in datasets],
        "training_limits": {
            "tasks": ["train", "evaluate"],
            "families": sorted(FAMILIES),
            "parameters_max": 10_000_000,
            "rounds_max": 200,
            "update_norm_l2_max": 1000.0,
            "trainer_network": "forbidden",
        },
        "code": {"digests": [], "reviewers": 2},
        "protection": [next(iter(MODES))],
        "privacy": {"required": True, "epsilon_max": 8.0, "delta_max": 1e-5},
        "cohort": {"minimum_participants": max(1, min(3, len({key for key, _ in datasets}))), "minimum_rows": 100},
        "disclosure": {"metrics": _metrics_of(targets), "minimum_cell": 10, "final_model": True},
        "validity": {
            "not_before": begin.isoformat(),
            "not_after": (begin + timedelta(days=365)).isoformat(),
        },
        "retention": {"updates_rounds": 1},
        "amendment": {"running_jobs": "stop", "on_leaving": "models_stay"},
    }


def _metrics_of(targets: Collection[str]) -> list[str]:
    """By name, each once; those of two classes where nothing is known of the data."""
    found = [TARGETS[name] for name in TARGETS if name in (targets or {"binary"})]
    return list(dict.fromkeys(metric.name for target in found for metric in target.metrics))


def in_ms(moment: datetime) -> datetime:
    """A moment in whole milliseconds, as documents have it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
