"""What a launch leaves open, as the agreement in force allows it: nobody is refused for a number that they did not say.

What has to be declared (the purpose, the protection) is never filled in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agreements.models import AgreementVersion
from agreements.selectors import in_force
from agreements.terms import terms_of
from consortia.models import Consortium
from federation.agreements.decisions import participants
from federation.agreements.examples import purpose_within
from federation.protocol.documents import Limits, Terms
from silos.models import Dataset
from training.launch.purpose_fields import as_typed
from training.launch.requests import JobRequest

ROUNDS = 10


def terms_in_force(consortium: Consortium) -> Terms | None:
    """What the consortium's agreement in force says; None where there is none."""
    version = in_force(consortium)
    return None if version is None else terms_of(version)


def limits_under(terms: Terms | None) -> Limits:
    """The bounds of a job that names none: the library's own, or the agreement's where those are narrower."""
    plain = Limits()
    if terms is None:
        return plain
    return Limits(
        update_norm_l2_max=min(plain.update_norm_l2_max, terms.training_limits.update_norm_l2_max),
        minimum_cell=max(plain.minimum_cell, terms.disclosure.minimum_cell),
    )


def rounds_under(terms: Terms | None) -> int:
    """The rounds of a job that names none."""
    return ROUNDS if terms is None else min(ROUNDS, terms.training_limits.rounds_max)


def form_defaults(version: AgreementVersion | None) -> dict[str, Any]:
    """What a launch form shows to begin with: the numbers above, and what the agreement's data may be used for.

    Of the purpose only its kind and the diseases are proposed: what else it declares is for the person who launches
    to say.
    """
    if version is None:
        return {}
    terms = terms_of(version)
    limits = limits_under(terms)
    use = {"category": purpose_within(terms.purposes)["category"], "diseases": list(terms.purposes.diseases)}
    return {
        "rounds": rounds_under(terms),
        "limits.update_norm_l2_max": limits.update_norm_l2_max,
        "limits.minimum_cell": limits.minimum_cell,
        **{f"use.{name}": value for name, value in as_typed(use).items()},
    }


def clear_reason_of(version: AgreementVersion | None) -> str:
    """Why an agreement lets updates leave in clear; empty where it does not say, as versions from before 1.1."""
    return "" if version is None else terms_of(version).clear_reason


def filled_in(asked: JobRequest, version: AgreementVersion | None, datasets: Sequence[Dataset]) -> JobRequest:
    """The request with what it leaves open filled in: limits, rounds and quorum."""
    terms = None if version is None else terms_of(version)
    given = asked.limits.model_fields_set
    limits = limits_under(terms).model_copy(update={name: getattr(asked.limits, name) for name in given})
    changes: dict[str, Any] = {"limits": limits}
    if "rounds" not in asked.model_fields_set:
        changes["rounds"] = rounds_under(terms)
    if asked.quorum is None and terms is not None:
        organisations = [str(dataset.silo.signatory_key_id) for dataset in datasets]
        minimum = terms.cohort.minimum_participants
        changes["quorum"] = quorum_under(asked.effective_quorum, minimum, organisations)
    return asked.model_copy(update=changes)


def quorum_under(quorum: int, minimum_participants: int, organisations: Sequence[str]) -> int | None:
    """The smallest quorum from this one on that is sure to have so many organisations; None where none is.

    `organisations` names the one of each silo.
    """
    enough = (
        one for one in range(quorum, len(organisations) + 1) if participants(organisations, one) >= minimum_participants
    )
    return next(enough, None)
