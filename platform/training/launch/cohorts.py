"""A cohort as a manifest names it: who its silos are, with which data, and how much each may weigh."""

from __future__ import annotations

from collections.abc import Sequence

from agreements.models import AgreementVersion
from federation.agreements.shares import Registered, train_fraction_of, weigh
from federation.protocol.documents import Weighting
from silos.models import Dataset
from silos.selectors import declaration_of


def cohort_of(datasets: Sequence[Dataset], share_agreed: float | None) -> tuple[list[dict[str, object]], Weighting]:
    """The members of a cohort with their largest weights, and how these came about.

    `share_agreed` is what the agreement lets one organisation weigh among all; None where it says nothing.
    """
    members = [_member_of(dataset) for dataset in datasets]
    registered = [Registered(str(member["signatory_key"]), int(str(member["rows_coarse"]))) for member in members]
    weighting, weights = weigh(registered, share_agreed, train_fraction_of(declaration_of(datasets[0])))
    for member, weight in zip(members, weights, strict=True):
        member["weight_max"] = weight
    return members, weighting


def share_agreed_in(agreement: AgreementVersion | None) -> float | None:
    """What a version lets one organisation weigh among all; None where it says nothing, or there is none."""
    share: float | None = agreement.terms["cohort"].get("organisation_share_max") if agreement else None
    return share


def _member_of(dataset: Dataset) -> dict[str, object]:
    """A silo's place in a cohort, with the word of its organisation for its key."""
    silo = dataset.silo
    assert silo.identity is not None
    assert silo.signatory_key is not None
    return {
        "silo_id": silo.id,
        "organisation": silo.organisation.name,
        "silo": silo.name,
        "dataset_id": dataset.id,
        "dataset": dataset.name,
        "schema_digest": dataset.schema_digest,
        "identity_key": silo.identity.encoded,
        "signatory_key": silo.signatory_key.key.encoded,
        "certificate": bytes(silo.certificate).decode() if silo.certificate else None,
        "rows_coarse": dataset.rows_coarse,
    }
