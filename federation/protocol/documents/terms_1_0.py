"""The terms of agreements as protocol 1.0 wrote them, and how they are read today.

Protocol 1.1 gave three terms the names that they have in the literature. Bytes that were signed stay as they are:
only what is read from them is put under today's names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from federation.errors import Invalid

PROTOCOL = "1.0"
AGREEMENT_TYPE = "application/vnd.consilience.agreement.v1+json"
RENAMED: Mapping[str, str] = MappingProxyType(
    {"work": "training_limits", "leaving": "disclosure", "changes": "amendment"}
)
"""The terms that 1.1 renamed, and the clauses with them."""

_USE = (
    *("permission", "diseases", "finance", "modifiers", "countries", "institutions", "users"),
    *("projects", "until", "moratorium_until", "research"),
)
FIELDS = frozenset(
    {
        *("members.organisation", "members.signatory_key"),
        *(f"purposes.{name}" for name in _USE),
        *("datasets.signatory_key", "datasets.dataset", "datasets.epsilon_max", "datasets.delta_max"),
        *(f"datasets.use.{name}" for name in _USE),
        *("work.tasks", "work.families", "work.parameters_max", "work.rounds_max", "work.update_norm_l2_max"),
        *("code.digests", "code.reviewers", "protection"),
        *("privacy.required", "privacy.epsilon_max", "privacy.delta_max"),
        *("cohort.minimum_participants", "cohort.minimum_rows"),
        *("leaving.metrics", "leaving.minimum_cell", "leaving.round_models", "leaving.final_model"),
        *("leaving.recipients", "leaving.release_confirmed_by_each"),
        *("validity.not_before", "validity.not_after", "retention.updates_rounds", "retention.models_days"),
        *("changes.running_jobs", "changes.on_leaving", "notes"),
    }
)
"""All that terms of 1.0 could hold, by path. It is history, and never grows."""


def agreement_as_today(statement: dict[str, Any]) -> dict[str, Any]:
    """The parsed JSON of an agreement of 1.0, with the names that its terms have today.

    Raises:
        Invalid: ``document.malformed`` where it has a term that 1.0 did not know.
    """
    terms = statement.get("terms")
    if not isinstance(terms, dict):
        return statement
    if unknown := next((path for path in _paths(terms) if not _is_known(path)), None):
        raise Invalid("document.malformed", f"Protocol 1.0 knows no term {unknown[:80]}.", f"terms.{unknown[:80]}")
    return statement | {"terms": renamed(terms)}


def renamed(terms: Mapping[str, Any]) -> dict[str, Any]:
    """Terms (as JSON values) under the names of today; those that are so called already stay as they are."""
    return {RENAMED.get(name, name): one_report for name, one_report in terms.items()}


def _paths(statement: Any, within: str = "") -> Iterator[str]:
    """The dotted paths of all values; the elements of a list have the path of the list."""
    if isinstance(statement, list):
        for one in statement:
            yield from _paths(one, within)
    elif isinstance(statement, dict):
        for name, one in statement.items():
            yield from _paths(one, f"{within}.{name}" if within else name)
    elif within:
        yield within


def _is_known(path: str) -> bool:
    """Whether 1.0 had this term, or one that has parts where nothing is said."""
    return path in FIELDS or any(known.startswith(f"{path}.") for known in FIELDS)
