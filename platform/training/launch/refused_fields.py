"""What keeps silos from joining a job, at the fields of its request: everything at once, each reason once."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _

from agreements.refusals import violation_text
from federation.agreements.rules import Violation
from federation.errors import Invalid
from training.launch.eligibility import Verdict

_FIELDS = {
    "agreement.purpose": "use",
    "agreement.task": "task",
    "agreement.family": "model",
    "agreement.parameters": "model",
    "agreement.rounds": "rounds",
    "agreement.update_norm": "limits.update_norm_l2_max",
    "agreement.code": "plan",
    "agreement.protection": "protection",
    "agreement.minimum_participants": "quorum",
    "agreement.minimum_cell": "limits.minimum_cell",
}
"""The field of the request that a rule checks, where it checks one and no silo or data set."""


def shared_refusals(found: Sequence[Verdict]) -> tuple[Violation, ...]:
    """What speaks against every silo alike and can be mended in one field of the request."""
    first, *others = found
    return tuple(
        refusal
        for refusal in first.refusals
        if refusal.code in _FIELDS and all(refusal in other.refusals for other in others)
    )


def own_refusals(verdict: Verdict, shared: Sequence[Violation]) -> tuple[Violation, ...]:
    """What speaks against one silo beyond that."""
    return tuple(dict.fromkeys(refusal for refusal in verdict.refusals if refusal not in shared))


def check_allowed(found: Sequence[Verdict]) -> None:
    """Raise one Invalid with every reason for which a silo may not join, each with what is allowed instead.

    What all silos refuse alike stands at the field that it is about, the rest at the data set of the silo.
    """
    if all(verdict.allowed for verdict in found):
        return
    fields: dict[str, list[str]] = {}
    codes = []
    shared = shared_refusals(found)
    for refusal in shared:
        fields.setdefault(_FIELDS[refusal.code], []).append(violation_text(refusal))
        codes.append(refusal.code)
    for position, verdict in enumerate(found):
        for refusal in own_refusals(verdict, shared):
            fields.setdefault(f"datasets.{position}", []).append(f"{verdict.silo.name}: {violation_text(refusal)}")
            codes.append(refusal.code)
    code = _code_of(codes)
    raise Invalid(code, _message(found, next(iter(fields.values()))[0]), fields=fields)


def _code_of(codes: Sequence[str]) -> str:
    """One for all: the only one, or who it is that refuses."""
    if len(set(codes)) == 1:
        return codes[0]
    return "silo.lacks" if all(code.startswith("silo.") for code in codes) else "agreement.refused"


def _message(found: Sequence[Verdict], first: str) -> str:
    refused = sum(not verdict.allowed for verdict in found)
    if len(found) == 1:
        return first
    counts = {"refused": refused, "all": len(found), "first": first}
    return _("%(refused)s of %(all)s silos may not join. %(first)s") % counts
