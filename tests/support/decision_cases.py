"""Agreements, jobs and places for tests: a case that is allowed in every respect, to be changed where it matters."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from federation.agreements.decisions import AgreementStatus, SiloContext, SiloFacts, authorize
from federation.agreements.policy import Policy
from federation.agreements.rules import Violation
from federation.agreements.shares import Registered, weigh
from federation.protocol import documents
from federation.protocol.digests import digest_bytes
from federation.protocol.documents import (
    Agreement,
    Cohort,
    CoveredDataset,
    DisclosureTerms,
    Manifest,
    Member,
    Order,
    OrderKind,
    Purpose,
    Terms,
    TrainingLimits,
    UseConditions,
    Validity,
)
from federation.protocol.keys import PrivateKey

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DATASET = "heart-disease"
LAUNCHER = "8c6f2c38-6a2e-4b39-9d0e-000000000001"
CONSORTIUM = UUID("8c6f2c38-6a2e-4b39-9d0e-000000000002")
KEYS = tuple(PrivateKey.generate() for _ in range(5))


def terms_of(keys: tuple[PrivateKey, ...] = KEYS, **changes: Any) -> Terms:
    """Terms of as many members, each with a data set, that allow a small job on heart disease."""
    members = tuple(
        Member(organisation=f"Hospital {number}", signatory_key=key.public.encoded)
        for number, key in enumerate(keys, start=1)
    )
    fields: dict[str, Any] = {
        "members": members,
        "purposes": UseConditions(permission="DS", diseases=("ICD-10:I20", "ICD-10:I25")),
        "datasets": tuple(CoveredDataset(signatory_key=member.signatory_key, dataset=DATASET) for member in members),
        "training_limits": TrainingLimits(
            tasks=("train", "evaluate"),
            families=("logistic", "mlp"),
            parameters_max=1000,
            rounds_max=50,
            update_norm_l2_max=1e4,
        ),
        "protection": ("clear", "masked"),
        "clear_reason": "Nothing is secret in tests.",
        "cohort": Cohort(minimum_participants=3, minimum_rows=100),
        "disclosure": DisclosureTerms(metrics=("loss", "accuracy", "auc", "confusion"), minimum_cell=5),
        "validity": Validity(not_before=NOW - timedelta(days=30), not_after=NOW + timedelta(days=335)),
    }
    return Terms(**(fields | changes))


def agreement_of(terms: Terms, **changes: Any) -> Agreement:
    """The first version of an agreement with these terms."""
    fields: dict[str, Any] = {
        "agreement_id": UUID("8c6f2c38-6a2e-4b39-9d0e-000000000003"),
        "consortium_id": CONSORTIUM,
        "consortium": "Heart Disease Collaborative",
        "version": 1,
        "terms": terms,
        "proposed_at": NOW - timedelta(days=40),
    }
    return Agreement(**(fields | changes))


def digest_of(agreement: Agreement) -> str:
    """The hash of its bytes."""
    return digest_bytes(agreement.model_dump_json().encode())


def manifest_of(agreement: Agreement, silos: int = 4, **changes: Any) -> Manifest:
    """A job over so many silos that the agreement of `terms_of` allows."""
    cohort: list[dict[str, Any]] = [
        {
            "silo_id": UUID(int=number),
            "organisation": member.organisation,
            "silo": f"silo {number}",
            "dataset_id": UUID(int=100 + number),
            "dataset": DATASET,
            "schema_digest": "sha256:" + "a" * 64,
            "identity_key": member.signatory_key,
            "signatory_key": member.signatory_key,
        }
        for number, member in enumerate(agreement.terms.members[:silos], start=1)
    ]
    registered = [Registered(str(member["signatory_key"]), 300) for member in cohort]
    weighting, weights = weigh(registered, agreement.terms.cohort.organisation_share_max, 0.8)
    for member, weight in zip(cohort, weights, strict=True):
        member |= {"rows_coarse": 300, "weight_max": weight}
    fields: dict[str, Any] = {
        "job_id": UUID(int=1000),
        "consortium_id": agreement.consortium_id,
        "name": "A job",
        "launched_by": LAUNCHER,
        "task": "train",
        "purpose": "To learn.",
        "use": Purpose(category="disease", diseases=("ICD-10:I25.1",)),
        "agreement_digest": digest_of(agreement),
        "model": {"family": "logistic"},
        "n_features": 13,
        "n_classes": 2,
        "layout": ({"name": "linear.weight", "shape": (1, 13)}, {"name": "linear.bias", "shape": (1,)}),
        "initial_model_digest": "sha256:" + "b" * 64,
        "strategy": {"name": "fedavg"},
        "local": {"epochs": 1},
        "rounds": 10,
        "quorum": silos,
        "round_deadline_s": 60.0,
        "protection": {"mode": "clear"},
        "limits": {"update_norm_l2_max": 1e4, "minimum_cell": 5},
        "weighting": weighting,
        "seed": 1,
        "cohort": cohort,
        "created_at": NOW,
    }
    return Manifest.model_validate(json.loads(json.dumps(fields | changes, default=_plain)))


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


def order_of(manifest: Manifest, **changes: Any) -> Order:
    """A train order of the first round for the first silo."""
    fields: dict[str, Any] = {
        "order_id": UUID(int=5000),
        "number": 1,
        "kind": OrderKind.TRAIN,
        "silo_id": manifest.cohort[0].silo_id,
        "job_id": manifest.job_id,
        "manifest_digest": "sha256:" + "c" * 64,
        "round": 1,
        "attempt": 1,
        "issued_at": NOW,
        "expires_at": NOW + timedelta(minutes=5),
    }
    return Order(**(fields | changes))


@dataclass(frozen=True)
class Case:
    """A question to `decide`."""

    status: AgreementStatus | None
    manifest: Manifest
    order: Order | None
    place: SiloContext
    moment: datetime = NOW

    def decide(self) -> Violation | None:
        """The answer."""
        return authorize(self.status, self.manifest, self.order, self.place, self.moment)

    def under(self, terms: Terms) -> Case:
        """The same question under an agreement with other terms; its hash is taken to be that which all have signed."""
        assert self.status is not None
        agreement = self.status.agreement.model_copy(update={"terms": terms})
        return replace(self, status=replace(self.status, agreement=agreement))

    def asking(self, **changes: Any) -> Case:
        """The same question about a job that differs in this."""
        return replace(self, manifest=self.manifest.model_copy(update=changes))


def allowed_case(**terms: Any) -> Case:
    """A question that is answered with yes, under terms that are changed as given."""
    agreement = agreement_of(terms_of(**terms))
    digest = digest_of(agreement)
    manifest = manifest_of(agreement)
    return Case(
        AgreementStatus(agreement, digest, frozenset(key.public.key_id for key in KEYS), digest),
        manifest,
        order_of(manifest),
        SiloContext(KEYS[0].public.encoded, DATASET, SiloFacts(rows_coarse=300), Policy()),
    )


__all__ = ["KEYS", "NOW", "Case", "agreement_of", "allowed_case", "digest_of", "documents", "manifest_of", "order_of"]
